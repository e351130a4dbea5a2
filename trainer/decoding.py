"""Greedy replies. What all prompts start with (system prompt, instruction) is computed once for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from trainer.data import common_prefix
from trainer.head import logits_at
from trainer.replies import Done, Reply
from trainer.steps import BLOCK, steps_for
from trainer.weights import ModelError

COMPACT = 0.75
"""The share of unfinished rows at which the finished ones are dropped from a batch; dropping copies its cache."""


class SlotLayer(DynamicLayer):  # type: ignore[misc]  # the library is untyped
    """Keys and values of one layer in a buffer with room for all that follows.

    The library's dynamic cache copies itself for each token, and its static cache attends to empty places.

    Args:
        room: tokens that come after the prefix.
        prefix: this layer's keys and values of the shared prefix, shape (1, heads, tokens, dimension); each row
            of the batch starts with a copy.
    """

    def __init__(self, room: int, prefix: DynamicLayer | None = None):
        super().__init__()
        self.room = room
        self.prefix = (prefix.keys, prefix.values) if prefix is not None else None
        self.length = prefix.get_seq_length() if prefix is not None else 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        self.buffers = [self._buffer(states) for states in (key_states, value_states)]
        for buffer, start in zip(self.buffers, self.prefix or (), strict=False):
            buffer[:, :, : self.length] = start
        self.prefix = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new keys and values, shape (rows, heads, tokens, dimension); returns all there are."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.length = self.length, self.length + key_states.shape[2]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start : self.length] = states
        self._view()
        return self.keys, self.values

    def get_seq_length(self) -> int:
        return self.length

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows."""
        self.buffers = [buffer[indices] for buffer in self.buffers]
        self._view()

    def _buffer(self, states: torch.Tensor) -> torch.Tensor:
        rows, heads, _, dimension = states.shape
        # Zeros: what has not been written yet may be read where a mask hides it.
        return states.new_zeros(rows, heads, self.length + self.room, dimension)

    def _view(self) -> None:
        self.keys, self.values = (buffer[:, :, : self.length] for buffer in self.buffers)


class Prefix:
    """What all prompts start with, computed once; `cache` gives a batch its copy.

    At least one token of each prompt stays outside, since its logits are wanted.
    """

    @torch.inference_mode()
    def __init__(self, model: Any, prompts: Sequence[list[int]]):
        self.length = min(common_prefix(prompts), min(map(len, prompts)) - 1)
        self.layers: list[DynamicLayer] = []
        if self.length:
            tokens = torch.tensor([prompts[0][: self.length]], device=model.device)
            cache = Cache(layer_class_to_replicate=DynamicLayer)
            model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
            self.layers = list(cache.layers)
        self.count = model.config.get_text_config().num_hidden_layers

    def cache(self, room: int) -> Cache:
        """A fresh cache that starts with the prefix and has room for `room` more tokens."""
        prefixes = self.layers or [None] * self.count
        return Cache(layers=[SlotLayer(room, prefix) for prefix in prefixes])


def generate(
    model: Any,
    prompts: Sequence[list[int]],
    *,
    max_new_tokens: int,
    stops: Sequence[int],
    batch_size: int,
    done: Done = lambda rows: None,
) -> list[Reply]:
    """Greedy replies, in the order of `prompts`.

    Args:
        model: a causal language model with full attention, in evaluation mode.
        prompts: tokens, at least one each.
        max_new_tokens: where a reply is cut.
        stops: tokens that end a reply.
        batch_size: rows at once; batches are cut from the prompts sorted by length, so they depend on nothing else.
    """
    if not prompts:
        return []
    require_full_attention(model, max(map(len, prompts)) + max_new_tokens)
    prefix = Prefix(model, prompts)
    replies: dict[int, Reply] = {}
    for batch in sorted_batches([len(prompt) for prompt in prompts], batch_size):
        suffixes = [prompts[index][prefix.length :] for index in batch]
        replies |= zip(batch, _generate(model, prefix, suffixes, max_new_tokens, set(stops)), strict=True)
        done(len(batch))
    return [replies[index] for index in range(len(prompts))]


@torch.inference_mode()
def _generate(
    model: Any, prefix: Prefix, suffixes: list[list[int]], limit: int, stops: set[int]
) -> list[Reply]:
    """One batch. Padding stands between the shared prefix and a row's own tokens, where the mask hides it."""
    width = max(map(len, suffixes))
    end = prefix.length + width
    places = -(-(end + limit) // BLOCK) * BLOCK
    pads = torch.tensor([width - len(suffix) for suffix in suffixes], device=model.device)
    tokens = torch.tensor([[0] * (width - len(suffix)) + suffix for suffix in suffixes], device=model.device)
    mask = torch.ones(len(suffixes), places, dtype=torch.long, device=model.device)
    mask[:, prefix.length : end] = torch.arange(width, device=model.device) >= pads[:, None]
    cache = prefix.cache(places - prefix.length)
    chosen = _read(model, tokens, mask[:, :end], cache)
    steps = steps_for(model, cache, mask, chosen, end, limit - 1)
    replies = [Reply([], truncated=True) for _ in suffixes]
    rows = list(range(len(suffixes)))
    for step in range(limit):
        if step:
            chosen = steps.next()
        keep = _record([replies[row] for row in rows], chosen.tolist(), stops)
        if not keep:
            break
        if len(keep) <= COMPACT * len(rows):
            steps.keep(torch.tensor(keep, device=model.device))
            rows = [rows[place] for place in keep]
    return replies


def _read(model: Any, tokens: torch.Tensor, mask: torch.Tensor, cache: Cache) -> torch.Tensor:
    """Fill the cache with what the prompts do not share; returns the token that follows each, shape (rows,)."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with logits_at(model, _last(tokens)):
        logits: torch.Tensor = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions[:, -tokens.shape[1] :],
            past_key_values=cache,
            use_cache=True,
        ).logits
    return logits.argmax(-1)


def _last(tokens: torch.Tensor) -> torch.Tensor:
    """The places of each row's last token."""
    rows, width = tokens.shape
    return torch.arange(1, rows + 1, device=tokens.device) * width - 1


def _record(replies: list[Reply], chosen: list[int], stops: set[int]) -> list[int]:
    """Add each row's token to its reply; returns the places of the rows that go on."""
    for reply, token in zip(replies, chosen, strict=True):
        if reply.truncated and token in stops:
            reply.truncated = False
        elif reply.truncated:
            reply.tokens.append(token)
    return [place for place, reply in enumerate(replies) if reply.truncated]


def sorted_batches(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices in batches, longest first: what does not fit into memory fails at once, not at the end."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def require_full_attention(model: Any, length: int) -> None:
    """Refuse models whose cache cannot be shared by position.

    Raises:
        ModelError: a layer has no plain attention, or a window shorter than `length` tokens.
    """
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"])
    reach = window if window and "sliding_attention" in kinds else math.inf
    if kinds - {"full_attention", "sliding_attention"} or length > reach:
        raise ModelError(
            f"Predictions need attention over all {length} tokens, and this student's layers are "
            f"{', '.join(sorted(kinds))} (window {reach}). Shorten `max_length`, or use another student."
        )
