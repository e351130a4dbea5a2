"""One token more for each row of a batch: over a cache that grows, or on a GPU over one of a fixed size."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from trainer.fitting import is_out_of_memory

BLOCK = 64
"""A cache of a fixed size has a multiple of so many places, which attention kernels like."""

REACH = 256
"""Tokens for which a cache of a fixed size has room before it is widened: attention reads the empty places too."""

EAGER_STEPS = 3
"""Steps before a graph is captured: short replies end before that pays, and kernels must have run once."""

LEAST_REPLAYS = 6
"""A graph is captured where so many steps may follow: capturing takes as long as about two of them."""


class Steps(Protocol):
    """Decodes a batch token by token."""

    def next(self) -> Tensor:
        """The next token of each row, shape (rows,)."""

    def keep(self, places: Tensor) -> None:
        """Go on with these rows alone."""


class GrowingSteps:
    """Attends to the tokens that are there, with a mask that is as wide.

    Args:
        model: in evaluation mode.
        cache: of `SlotLayer`s, which holds the prompts.
        mask: (rows, all places) int64, 0 at padding.
        chosen: (rows,) the tokens that come after the prompts.
        end: places that are filled.
    """

    def __init__(self, model: Any, cache: Cache, mask: Tensor, chosen: Tensor, end: int):
        self._model, self._cache, self._mask, self._chosen, self._end = model, cache, mask, chosen, end
        self._positions = (mask.cumsum(1) - 1).clamp(min=0)

    def next(self) -> Tensor:
        start, self._end = self._end, self._end + 1
        logits = self._model(
            input_ids=self._chosen[:, None],
            attention_mask=self._mask[:, : self._end],
            position_ids=self._positions[:, start : self._end],
            past_key_values=self._cache,
            use_cache=True,
        ).logits
        self._chosen = logits[:, -1].argmax(-1)
        return self._chosen

    def keep(self, places: Tensor) -> None:
        self._cache.batch_select_indices(places)
        self._mask, self._positions = self._mask[places], self._positions[places]
        self._chosen = self._chosen[places]


class FixedLayer(DynamicLayer):  # type: ignore[misc]  # the library is untyped
    """Keys and values of one layer, all of whose places are attended to; new ones go to a place that a tensor holds.

    Args:
        keys, values: shape (rows, heads, places, dimension), written into.
        place: (1,) int64.
    """

    def __init__(self, keys: Tensor, values: Tensor, place: Tensor):
        super().__init__()
        self.keys, self.values, self._place = keys, values, place
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write the new token's key and value, shape (rows, heads, 1, dimension); returns all places."""
        self.keys.index_copy_(2, self._place, key_states)
        self.values.index_copy_(2, self._place, value_states)
        return self.keys, self.values

    def get_seq_length(self) -> int:
        return int(self.keys.shape[2])


class FixedSteps:
    """Attends to all places of a cache, the empty ones hidden by the mask: each step is the same work on the same memory.

    So a GPU can replay it as one CUDA graph. A step of a small model is some hundred kernels, and to start them one by
    one takes Python longer than the GPU takes to run them.

    Args: as `GrowingSteps`, and `limit`, the steps that may come.
    """

    def __init__(self, model: Any, cache: Cache, mask: Tensor, chosen: Tensor, end: int, limit: int):
        self._model, self._slots = model, cache.layers
        self._tokens, self._positions = chosen[:, None].clone(), mask[:, :end].sum(1, keepdim=True)
        self._hidden = mask == 0
        self._hidden[:, end:] = True
        self._filled, self._left = end, limit
        self._place = torch.tensor([end], device=mask.device)
        self._zero = torch.zeros(1, 1, 1, 1, device=mask.device, dtype=model.dtype)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._captures = mask.device.type == "cuda"
        self._reach = 0
        self._widen()

    def next(self) -> Tensor:
        if self._filled == self._reach:
            self._widen()
        if self._captures and self._graph is None and self._eager >= EAGER_STEPS:
            self._capture()
        if self._graph is None:
            self._step()
            self._eager += 1
        else:
            self._graph.replay()
        self._filled += 1
        self._left -= 1
        return self._tokens[:, 0]

    def keep(self, places: Tensor) -> None:
        self._hidden = self._seen_so_far()[places]
        self._tokens, self._positions = self._tokens[places], self._positions[places]
        for layer in self._slots:
            layer.batch_select_indices(places)
        self._lay_out()

    def _seen_so_far(self) -> Tensor:
        """(rows, all places) bool, with the tokens that were added."""
        hidden = self._hidden.clone()
        hidden[:, : self._reach] = self._bias[:, 0, 0] < 0
        return hidden

    def _widen(self) -> None:
        """Let attention reach further."""
        if self._reach:
            self._hidden = self._seen_so_far()
        ahead = min(REACH, self._left)
        self._reach = min(-(-(self._filled + ahead) // BLOCK) * BLOCK, self._hidden.shape[1])
        self._lay_out()

    def _lay_out(self) -> None:
        """The cache and the mask up to the reach, in memory that stays where it is."""
        views = [[buffer[:, :, : self._reach] for buffer in layer.buffers] for layer in self._slots]
        self._cache = Cache(layers=[FixedLayer(keys, values, self._place) for keys, values in views])
        hidden = self._hidden[:, None, None, : self._reach]
        dtype = self._model.dtype
        self._bias = torch.zeros_like(hidden, dtype=dtype).masked_fill_(hidden, torch.finfo(dtype).min)
        self._graph, self._eager = None, 0

    def _step(self) -> None:
        """One token more; everything is written in place."""
        self._bias.index_copy_(3, self._place, self._zero.expand(len(self._bias), 1, 1, 1))
        logits = self._model(
            input_ids=self._tokens,
            attention_mask=self._bias,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
        ).logits
        self._tokens.copy_(logits[:, -1].argmax(-1, keepdim=True))
        self._positions.add_(1)
        self._place.add_(1)

    def _capture(self) -> None:
        """Record a step; a model that cannot be recorded goes on kernel by kernel."""
        if min(self._left, self._reach - self._filled) < LEAST_REPLAYS:
            return
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._step()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            self._captures = False
        else:
            self._graph = graph


def steps_for(model: Any, cache: Cache, mask: Tensor, chosen: Tensor, end: int, limit: int) -> Steps:
    """How this device decodes."""
    if mask.device.type == "cuda":
        return FixedSteps(model, cache, mask, chosen, end, limit)
    return GrowingSteps(model, cache, mask, chosen, end)
