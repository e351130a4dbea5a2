"""Liger's Triton kernels in place of a model's norms, rotary positions and gated layers, where they are installed.

On a GPU these operations move more bytes than the matrix products beside them: each is a kernel or more of its own, and
each writes its result.
"""

from __future__ import annotations

from typing import Any

from transformers.integrations.liger import apply_liger_kernel
from transformers.utils import is_liger_kernel_available

OWN_LOSS = {"cross_entropy": False, "fused_linear_cross_entropy": False}
"""Ours computes logits at the labels alone (`trainer.loss`)."""


def use_kernels(model: Any) -> bool:
    """Let a model on a GPU use Liger's kernels, if it is an architecture that Liger knows; whether they are installed."""
    there = model.device.type == "cuda" and bool(is_liger_kernel_available())
    if there:
        apply_liger_kernel(model, dict(OWN_LOSS))
    return there
