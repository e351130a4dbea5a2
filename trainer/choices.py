"""Log-likelihoods of choices. The choices of a row share one copy of their context, so each token is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainer.decoding import Prefix, require_full_attention, sorted_batches
from trainer.head import logits_at
from trainer.replies import Done


def score_choices(
    model: Any,
    contexts: Sequence[list[int]],
    choices: Sequence[list[list[int]]],
    *,
    batch_size: int,
    done: Done = lambda rows: None,
) -> list[list[float]]:
    """Log-probability (nats) of each choice given its context, summed over the choice's tokens.

    A row is one sequence: its context, then all its choices. Each choice attends only to the context and to itself (tree
    attention: Miao et al. 2024, SpecInfer, section 4.2). The last logits of the context score the first token of a
    choice, so the last token of a choice is never an input.

    Args:
        model: a causal language model with full attention, in evaluation mode.
        contexts: tokens; at least one token each.
        choices: for each context, the tokens of its choices; at least one token each.
        batch_size: rows per batch. Batches are cut from the rows sorted by length and depend on nothing else.
        done: called after each batch with its number of rows.
    """
    if not contexts:
        return []
    sequences = [
        [*context, *(token for choice in row for token in choice[:-1])]
        for context, row in zip(contexts, choices, strict=True)
    ]
    lengths = [len(sequence) for sequence in sequences]
    require_full_attention(model, max(lengths))
    prefix = Prefix(model, contexts)
    scores: dict[int, list[float]] = {}
    for batch in sorted_batches(lengths, batch_size):
        own = [contexts[index][prefix.length :] for index in batch]
        replies = [choices[index] for index in batch]
        scores |= zip(batch, _score(model, prefix, own, replies), strict=True)
        done(len(batch))
    return [scores[index] for index in range(len(contexts))]


@torch.inference_mode()
def _score(
    model: Any, prefix: Prefix, contexts: list[list[int]], choices: list[list[list[int]]]
) -> list[list[float]]:
    """One batch, padded on the right."""
    trees = [ChoiceTree.of(context, row) for context, row in zip(contexts, choices, strict=True)]
    width = max(len(tree.tokens) for tree in trees)
    tokens, branches, depths = (
        torch.tensor([row + [fill] * (width - len(row)) for row in rows], device=model.device)
        for rows, fill in (
            ([tree.tokens for tree in trees], 0),
            ([tree.branches for tree in trees], -1),
            ([tree.depths for tree in trees], 0),
        )
    )
    scored = [
        row * width + place for row, tree in enumerate(trees) for place, at in enumerate(tree.scored) if at
    ]
    with logits_at(model, torch.tensor(scored, device=model.device)):
        logits = model(
            input_ids=tokens,
            attention_mask=_tree_mask(branches, prefix.length, model.dtype),
            position_ids=prefix.length + depths,
            past_key_values=prefix.cache(width),
            use_cache=True,
        ).logits.float()
    return _sum_by_choice(logits, trees)


@dataclass
class ChoiceTree:
    """A context and its choices as one sequence."""

    tokens: list[int]
    branches: list[int]
    """For each token: 0 for the context, 1 + index for a choice."""
    depths: list[int]
    """For each token: its position after the prefix, as if only its own choice followed the context."""
    scored: list[bool]
    """For each token: whether its logits score a token of a choice."""
    targets: list[list[tuple[int, int]]]
    """For each choice and each of its tokens: the index of the scored position, and the token."""

    @classmethod
    def of(cls, context: list[int], choices: list[list[int]]) -> ChoiceTree:
        """The tree of a context's own tokens and its choices."""
        size = len(context)
        tree = cls([*context], [0] * size, list(range(size)), [False] * (size - 1) + [True], [])
        for number, choice in enumerate(choices, start=1):
            first = sum(tree.scored)
            places = [0, *range(first, first + len(choice) - 1)]
            tree.targets.append(list(zip(places, choice, strict=True)))
            tree.tokens += choice[:-1]
            tree.branches += [number] * (len(choice) - 1)
            tree.depths += range(size, size + len(choice) - 1)
            tree.scored += [True] * (len(choice) - 1)
        return tree


def _tree_mask(branches: torch.Tensor, prefix: int, dtype: torch.dtype) -> torch.Tensor:
    """Additive mask, 0 if visible, else the lowest number: shape (rows, 1, width, prefix + width)."""
    rows, width = branches.shape
    query, key = branches[:, :, None], branches[:, None, :]
    causal = torch.ones(width, width, dtype=torch.bool, device=branches.device).tril()
    seen = causal & ((key == query) | (key == 0))
    seen = torch.cat([seen.new_ones(rows, width, prefix), seen], dim=2)
    return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[:, None]


def _sum_by_choice(logits: torch.Tensor, trees: list[ChoiceTree]) -> list[list[float]]:
    """Sum the token log-probabilities of each choice. `logits` has the scored positions of all trees, one tree after the other."""
    total = logits.logsumexp(-1)
    sums, start = [], 0
    for tree in trees:
        row = []
        for targets in tree.targets:
            places, tokens = (list(part) for part in zip(*targets, strict=True))
            at = torch.tensor(places, device=logits.device) + start
            row.append((logits[at, torch.tensor(tokens)] - total[at]).double().sum().item())
        sums.append(row)
        start += sum(tree.scored)
    return sums
