"""Floating-point operations that a training step needs, whoever computes it, and the share of the device's peak.

Per token and weight, a matrix product costs 2 operations forward, 2 for the gradient of its input and 2 for that of
its weight. So with N body weights (those of the decoder layers), r the adapter's weights, V x h the head:

    full fine-tuning   6 N tokens + 6 V h labels
    LoRA               4 N tokens + 6 r tokens + 4 V h labels      (frozen weights need no gradient)
    both               + 6 A sum(length^2)                         (A: layers x heads x head dimension)

The last line is causal attention: scores and values cost 4 A length^2 forward for all pairs, half of it under the
mask, three times that with the backward pass. `labels` are the tokens that have a loss: logits elsewhere are not
needed, and computing them is waste. A prefix that rows share counts in each row. Element-wise work is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DATASHEET = {"NVIDIA H100 80GB HBM3": 989.4e12, "NVIDIA H200": 989.4e12}
"""Dense bf16 peak in operations per second, from the vendor's datasheets; these are the names of the SXM parts."""


@dataclass(frozen=True)
class Work:
    """What some steps had to process."""

    tokens: int
    labels: int
    squares: int
    """Sum over the rows of the square of their length."""


def body_weights(shape: dict[str, Any]) -> int:
    """Weights of the matrices of all decoder layers."""
    return int(shape["num_hidden_layers"]) * sum(rows * columns for rows, columns in matrices(shape))


def matrices(shape: dict[str, Any]) -> list[tuple[int, int]]:
    """Inputs and outputs of one decoder layer's seven matrices."""
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    queries = shape["num_attention_heads"] * shape["head_dim"]
    keys = shape["num_key_value_heads"] * shape["head_dim"]
    attention = [(hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden)]
    return [*attention, (hidden, inner), (hidden, inner), (inner, hidden)]


def adapter_weights(shape: dict[str, Any], rank: int) -> int:
    """Weights of a LoRA adapter on all linear layers."""
    return int(shape["num_hidden_layers"]) * sum(rank * (rows + columns) for rows, columns in matrices(shape))


def training_flops(shape: dict[str, Any], work: Work, method: str, rank: int) -> float:
    """Operations of the steps that processed `work`; see the module."""
    attended = shape["num_hidden_layers"] * shape["num_attention_heads"] * shape["head_dim"]
    factor = 6 if method == "full" else 4
    head = factor * shape["vocab_size"] * shape["hidden_size"] * work.labels
    adapter = 0 if method == "full" else 6 * adapter_weights(shape, rank) * work.tokens
    return float(factor * body_weights(shape) * work.tokens + adapter + head + 6 * attended * work.squares)


def datasheet_peak(device: str) -> float | None:
    """The datasheet's dense bf16 peak, or None for a device that is not listed."""
    return DATASHEET.get(device)
