"""The student as it predicts: its adapter merged, in the precision of predictions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from trainer.model import pick_dtype
from trainer.specs import StudentSpec


@contextlib.contextmanager
def ready(model: Any, student: StudentSpec) -> Iterator[torch.dtype]:
    """A student in the precision of predictions and with its adapter merged; afterwards it is as it was, bit by bit.

    Quantised weights (QLoRA) stay as they are.
    """
    if student.method == "qlora":
        yield model.dtype
        return
    originals = [(parameter, parameter.data) for parameter in model.parameters()]
    layers = [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)]
    dtype = predict_dtype(model.device, student)
    try:
        # Merged in float32 whatever comes after, so that it is what `trainer.merge` writes; a safe merge makes a
        # new weight instead of writing into the old one.
        cast(model, torch.float32)
        for layer in layers:
            layer.merge(safe_merge=True)
        cast(model, dtype)
        yield dtype
    finally:
        for layer in layers:
            layer.merged_adapters.clear()
        for parameter, data in originals:
            parameter.data = data


def cast(model: Any, dtype: torch.dtype) -> None:
    """Cast the parameters alone: buffers, such as rotary frequencies, are float32 in every model."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def predict_dtype(device: torch.device, student: StudentSpec) -> torch.dtype:
    """On a CPU float32 unless the student is to be bf16; elsewhere the weights' own."""
    if device.type == "cpu" and student.dtype == "auto":
        return torch.float32
    return pick_dtype(student, device)
