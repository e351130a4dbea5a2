"""The loss of a few rows, computed as cheaply as the model allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from trainer.data import Row, common_prefix
from trainer.head import logits_at
from trainer.packing import Batch, pack, pad
from trainer.prefetch import Prefetch

TOLERANCE = 0.02
"""Mean difference of logits, in units of their spread, that comes from rounding alone."""

LEAK = 0.01
"""Change of a row's logits with its neighbour's tokens, in units of their change with positions or prefix, that is rounding."""

REFUSALS = (RuntimeError, ValueError, TypeError, IndexError)
"""What models raise at arguments that they do not know."""


MASK_MULTIPLE = 16
"""On a GPU sequences have a multiple of so many tokens: its attention kernels copy masks of other widths, once a layer."""

SHARE_ON_GPU = 0.25
"""Share of a row's tokens that a common prefix must have to be computed once: a GPU's fastest attention takes no mask."""


@dataclass(frozen=True)
class Layout:
    """How rows are given to a model.

    Attributes:
        pad_token: fills up sequences.
        hidden_size: of the model, for the choice of sequences.
        packed: rows stand side by side after their common prefix; else one row a sequence.
        sliced: the model computes logits only where a label is; else everywhere.
        prefetch: has batches laid out ahead, where a GPU works meanwhile.
    """

    pad_token: int
    hidden_size: int
    packed: bool
    sliced: bool
    prefetch: Prefetch | None = None

    def loss(self, model: Any, rows: Sequence[Row]) -> Tensor:
        """Sum of the cross-entropies (nats, float32) of all completion tokens of the rows; a scalar."""
        laid_out = self.prefetch.take(rows) if self.prefetch else self.batch(rows)
        batch = laid_out.to(model.device)
        return cross_entropy(self.logits(model, batch), batch.targets, reduction="sum")

    def batch(self, rows: Sequence[Row]) -> Batch:
        """The rows as one forward pass, on the CPU."""
        return pack(rows, self.pad_token, self.hidden_size) if self.packed else pad(rows, self.pad_token)

    def for_gpu(self, rows: Sequence[Row]) -> Batch:
        """The same in pinned memory, with the widths that attention kernels like."""
        if not self.packed:
            return self.batch(rows).pin()
        return pack(rows, self.pad_token, self.hidden_size, MASK_MULTIPLE).pin()

    def logits(self, model: Any, batch: Batch) -> Tensor:
        """(labels, vocabulary) float32."""
        arguments = {
            "input_ids": batch.input_ids,
            "attention_mask": as_bias(batch.attention_mask, model.dtype),
            "position_ids": batch.position_ids,
            "use_cache": False,
        }
        if self.sliced:
            with logits_at(model, batch.places):
                logits: Tensor = model(**arguments).logits
        else:
            logits = model(**arguments).logits.flatten(0, 1).index_select(0, batch.places)
        return logits.float()


def as_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """On a GPU a mask of pairs as numbers to add, once for all layers: each would make and keep its own otherwise."""
    return bias(mask, dtype) if mask is not None and mask.device.type == "cuda" else mask


def bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a boolean mask is true, and the lowest number elsewhere."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)


def choose_layout(model: Any, rows: Sequence[Row], pad_token: int, *, dropout: float) -> Layout:
    """The cheapest layout that the model is up to, tried on two short rows.

    Dropout would draw one mask for a prefix that several rows share, and a sliding window would count neighbours
    in the sequence, so these rule packing out. So does a GPU where the prefix is short.
    """
    config = model.config.get_text_config()
    layout = Layout(pad_token, config.hidden_size, packed=False, sliced=False)
    window = getattr(config, "sliding_window", None) or math.inf
    probe = sorted(rows, key=lambda row: row.length)[:2]
    training = model.training
    model.eval()
    try:
        if model.get_output_embeddings() is not None and _slices(model, layout, probe):
            layout = replace(layout, sliced=True)
        packs = dropout == 0 and max(row.length for row in rows) <= window and len(probe) == 2
        if model.device.type == "cuda":
            packs = packs and shared_share(rows) >= SHARE_ON_GPU
        if packs and _separates(model, layout, probe):
            layout = replace(layout, packed=True)
    finally:
        model.train(training)
    return layout


def shared_share(rows: Sequence[Row]) -> float:
    """The tokens that all prompts start with, as a share of the mean row's."""
    shared = common_prefix([row.prompt for row in rows])
    return shared * len(rows) / sum(row.length for row in rows)


@torch.no_grad()
def _slices(model: Any, layout: Layout, rows: Sequence[Row]) -> bool:
    """Whether the model computes logits at some places alone, and the same ones."""
    batch = layout.batch(rows).to(model.device)
    expected = layout.logits(model, batch)
    try:
        found = replace(layout, sliced=True).logits(model, batch)
    except REFUSALS:
        return False
    if found.shape != expected.shape:
        return False
    return bool((found - expected).abs().mean() <= TOLERANCE * expected.std())


@torch.no_grad()
def _separates(model: Any, layout: Layout, rows: Sequence[Row]) -> bool:
    """Whether a row in a packed sequence is computed as if it stood alone.

    Seen without a comparison of layouts, whose rounding differs: the second row's logits must not change with the
    first row's tokens, and must change with the prefix and with positions, which shows that the given mask and the
    given positions are used in every layer.
    """
    # An infinite hidden size makes attention free, so that both rows are in one sequence.
    batch = pack(rows, layout.pad_token, math.inf).to(model.device)
    if batch.attention_mask is None or batch.position_ids is None:
        return False
    own = batch.attention_mask[0, 0, -1]
    prefix = own & ((~own).cumsum(0) == 0)
    labels = int((batch.keep[0] & own).sum())
    variants = [batch, replace(batch, position_ids=2 * batch.position_ids)]
    variants += [
        replace(batch, input_ids=batch.input_ids.masked_fill(hidden, layout.pad_token))
        for hidden in (~own, prefix)
    ]
    try:
        expected, *changed = (layout.logits(model, each)[-labels:] for each in variants)
    except REFUSALS:
        return False
    moved, leak, blind = ((expected - each).abs().max() for each in changed)
    effect = torch.minimum(moved, blind) if prefix.any() else moved
    return bool(leak < LEAK * effect)
