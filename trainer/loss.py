"""The loss of a few rows, computed as cheaply as the model allows."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from trainer.data import Row
from trainer.packing import Batch, pack, pad

TOLERANCE = 0.05
"""Mean difference of logits, in units of their spread, under which two layouts compute the same."""


@dataclass(frozen=True)
class Layout:
    """How rows are given to a model.

    Attributes:
        pad_token: fills up sequences.
        hidden_size: of the model, for the choice of sequences.
        packed: rows stand side by side after their common prefix; else one row a sequence.
        sliced: the model computes logits only where a label is; else everywhere.
    """

    pad_token: int
    hidden_size: int
    packed: bool
    sliced: bool

    def loss(self, model: Any, rows: Sequence[Row]) -> Tensor:
        """Sum of the cross-entropies (nats, float32) of all completion tokens of the rows; a scalar."""
        batch = self.batch(rows).to(model.device)
        return cross_entropy(self.logits(model, batch), batch.targets, reduction="sum")

    def batch(self, rows: Sequence[Row]) -> Batch:
        """The rows as one forward pass, on the CPU."""
        return pack(rows, self.pad_token, self.hidden_size) if self.packed else pad(rows, self.pad_token)

    def logits(self, model: Any, batch: Batch) -> Tensor:
        """(labels, vocabulary) float32."""
        arguments = {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "position_ids": batch.position_ids,
            "use_cache": False,
        }
        if self.sliced:
            logits: Tensor = model(**arguments, logits_to_keep=batch.keep).logits
        else:
            logits = model(**arguments).logits[batch.keep]
        return logits.float()


def choose_layout(model: Any, rows: Sequence[Row], pad_token: int, *, dropout: float) -> Layout:
    """The cheapest layout with which the model computes what it computes in the plain one; tried on two rows.

    Dropout would draw one mask for a prefix that several rows share, and a sliding window would count neighbours
    in the sequence, so these rule packing out.
    """
    config = model.config.get_text_config()
    plain = Layout(pad_token, config.hidden_size, packed=False, sliced=False)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    sliced = "logits_to_keep" in inspect.signature(base.forward).parameters
    window = getattr(config, "sliding_window", None) or float("inf")
    packed = dropout == 0 and max(row.length for row in rows) <= window
    # Longest first is the order in which packing places them, so that the logits compare one to one.
    probe = sorted(rows, key=lambda row: row.length)[:2][::-1]
    if packed and sliced and _agree(model, plain, replace(plain, packed=True, sliced=True), probe):
        return replace(plain, packed=True, sliced=True)
    if sliced and _agree(model, plain, replace(plain, sliced=True), probe):
        return replace(plain, sliced=True)
    return plain


@torch.no_grad()
def _agree(model: Any, plain: Layout, other: Layout, rows: Sequence[Row]) -> bool:
    """Whether two layouts give the same logits for each row; a layout that the model refuses does not."""
    training = model.training
    model.eval()
    try:
        expected, found = (each.logits(model, each.batch(rows).to(model.device)) for each in (plain, other))
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False
    finally:
        model.train(training)
    return expected.shape == found.shape and bool(
        (expected - found).abs().mean() <= TOLERANCE * expected.std()
    )
