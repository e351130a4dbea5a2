"""Rows laid out for one forward pass: how tokens, positions and masks are arranged, and where the labels are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_columns
from torch.nn.utils.rnn import pad_sequence

from trainer.data import Row, common_prefix

MIN_PREFIX = 8
"""Fewest common tokens that are computed once for several rows."""

PAIRS_PER_TOKEN = 1.5
"""Attended pairs that cost as much as one token's matrix products, in units of the hidden size h.

A decoder layer has about 12 h^2 weights, so that forward and backward a token costs 48 h^2 operations (frozen weights
need no gradient) and an attended pair 14 h: 3.4 h at equal efficiency, and 1.5 h as measured on CPUs.
"""


@dataclass(frozen=True)
class Batch:
    """The arguments of one forward pass and its labels: B sequences of T tokens, N labels.

    The last token of a row is a label only: nothing follows it.
    """

    input_ids: Tensor
    """(B, T) int64."""
    attention_mask: Tensor | None
    """(B, 1, T, T) bool, whether the token of the row sees that of the column; None is every earlier one."""
    position_ids: Tensor | None
    """(B, T) int64, each token's place in its own row; None is its place in the sequence."""
    keep: Tensor
    """(B, T) bool, true at N places: the logits there, in order, predict `targets`."""
    places: Tensor
    """(N,) int64, the same places with batch and length flattened."""
    targets: Tensor
    """(N,) int64."""

    def to(self, device: torch.device) -> Batch:
        """The same on another device; from pinned memory the copies do not wait."""
        direct = device.type == "cuda"
        return self._with(lambda tensor: tensor.to(device, non_blocking=direct))

    def pin(self) -> Batch:
        """The same in memory from which a GPU copies by itself."""
        return self._with(Tensor.pin_memory)

    def _with(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same with each tensor changed."""
        found: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {
            name: None if each is None else change(each) for name, each in found.items()
        }
        return Batch(**changed)


def pad(rows: Sequence[Row], pad_token: int) -> Batch:
    """The plain layout: one row a sequence, padded on the right.

    No token of a row sees what comes after it, so padding needs no mask, without which attention is much faster.
    """
    keep = _stack([_labels(row) for row in rows], 0).bool()
    return Batch(
        input_ids=_stack([_inputs(row) for row in rows], pad_token),
        attention_mask=None,
        position_ids=None,
        keep=keep,
        places=_places(keep),
        targets=_targets(rows),
    )


def pack(rows: Sequence[Row], pad_token: int, hidden_size: float, multiple: int = 1) -> Batch:
    """Rows side by side in as few sequences as is cheapest, after the tokens that all their prompts start with.

    A sequence is `prefix, rest of row 1, rest of row 2, ...`. The mask lets a token see the prefix and the earlier
    tokens of its own row, and positions count on from the prefix, so that each row is computed as if it stood alone.
    The prefix is computed once for a sequence instead of once for a row, and there is next to no padding.

    Args:
        rows: at least one.
        pad_token: fills up sequences.
        hidden_size: of the model, for the choice of sequences.
        multiple: sequences are filled up to a multiple of it.
    """
    shared = min(common_prefix([row.prompt for row in rows]), min(len(row.prompt) for row in rows) - 1)
    shared = shared if shared >= MIN_PREFIX else 0
    bins = _cheapest_bins(rows, shared, PAIRS_PER_TOKEN * hidden_size)
    sequences = [_side_by_side(members, shared) for members in bins]
    owner = _stack([owner for _, _, owner, _ in sequences], -1, multiple)
    keep = _stack([keep for _, _, _, keep in sequences], 0, multiple).bool()
    return Batch(
        input_ids=_stack([ids for ids, _, _, _ in sequences], pad_token, multiple),
        attention_mask=_visible(owner)[:, None],
        position_ids=_stack([positions for _, positions, _, _ in sequences], 0, multiple),
        keep=keep,
        places=_places(keep),
        targets=_targets([row for members in bins for row in members]),
    )


def _inputs(row: Row) -> list[int]:
    return row.prompt + row.completion[:-1]


def _labels(row: Row) -> list[int]:
    """1 at the tokens after which a completion token comes."""
    return [0] * (len(row.prompt) - 1) + [1] * len(row.completion)


def _targets(rows: Sequence[Row]) -> Tensor:
    return torch.tensor([token for row in rows for token in row.completion])


def _places(keep: Tensor) -> Tensor:
    return keep.flatten().nonzero().squeeze(1)


def _stack(sequences: Sequence[Sequence[int]], value: int, multiple: int = 1) -> Tensor:
    """(number of sequences, longest) int64, filled up with `value` on the right, to a multiple."""
    stacked = pad_sequence([torch.tensor(each) for each in sequences], batch_first=True, padding_value=value)
    return pad_columns(stacked, (0, -stacked.shape[1] % multiple), value=value)


def _side_by_side(rows: Sequence[Row], shared: int) -> tuple[list[int], list[int], list[int], list[int]]:
    """Tokens, positions, owner (0 the prefix, then 1, 2, ... by row) and labels of one sequence."""
    ids, positions, owner, keep = rows[0].prompt[:shared], list(range(shared)), [0] * shared, [0] * shared
    for number, row in enumerate(rows, start=1):
        rest = _inputs(row)[shared:]
        ids = ids + rest
        positions += range(shared, shared + len(rest))
        owner += [number] * len(rest)
        keep += _labels(row)[shared:]
    return ids, positions, owner, keep


def _visible(owner: Tensor) -> Tensor:
    """(B, T, T) bool from owners (B, T): causal, within the prefix and one's own row. Padding sees padding."""
    size = owner.shape[1]
    same = (owner[:, :, None] == owner[:, None, :]) | (owner[:, None, :] == 0)
    return same & torch.ones(size, size, dtype=torch.bool).tril()


def _cheapest_bins(rows: Sequence[Row], shared: int, pairs_per_token: float) -> list[list[Row]]:
    """The rows dealt into sequences: few save prefix and padding, many save attention between strangers."""

    def cost(bins: list[list[Row]]) -> float:
        longest = max(shared + sum(row.length - 1 - shared for row in members) for members in bins)
        return len(bins) * (longest + longest**2 / pairs_per_token)

    return min((_dealt(rows, shared, number) for number in range(1, len(rows) + 1)), key=cost)


def _dealt(rows: Sequence[Row], shared: int, number: int) -> list[list[Row]]:
    """Longest row first, each to the bin with the fewest tokens."""
    bins: list[list[Row]] = [[] for _ in range(number)]
    sizes = [0] * number
    for row in sorted(rows, key=lambda row: -row.length):
        lightest = sizes.index(min(sizes))
        bins[lightest].append(row)
        sizes[lightest] += row.length - shared
    return bins
