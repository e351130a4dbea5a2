"""The student as it predicts: its adapter merged, in the precision of predictions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from trainer.precision import pick_dtype
from trainer.specs import StudentSpec


@contextlib.contextmanager
def ready(model: Any, student: StudentSpec) -> Iterator[torch.dtype]:
    """A student in the precision of predictions and with its adapter merged; afterwards it is as it was, bit by bit.

    Quantised weights (QLoRA) stay as they are.
    """
    if student.method == "qlora":
        yield model.dtype
        return
    originals = originals_of(model)
    layers = [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)]
    dtype = predict_dtype(model.device, student)
    try:
        # Merged in float32 whatever comes after, so that it is what `trainer.merge` writes; a safe merge makes a
        # new weight instead of writing into the old one. One layer at a time, for there may be no room for all.
        for layer in layers:
            cast(layer, torch.float32)
            layer.merge(safe_merge=True)
            cast(layer, dtype)
        cast(model, dtype)
        yield dtype
    finally:
        for layer in layers:
            layer.merged_adapters.clear()
        for parameter, data in originals:
            parameter.data = data.to(parameter.device)


def originals_of(model: Any) -> list[tuple[torch.nn.Parameter, torch.Tensor]]:
    """Parameters and their data; on a GPU that has no room for both, the originals wait in the host's memory."""
    if no_room_for_two(model):
        return [(parameter, parameter.data.cpu()) for parameter in model.parameters()]
    return [(parameter, parameter.data) for parameter in model.parameters()]


def no_room_for_two(model: Any) -> bool:
    """Whether a GPU has no room for a second copy of the weights, and half as much to work in."""
    if model.device.type != "cuda":
        return False
    size = sum(parameter.nbytes for parameter in model.parameters())
    return bool(torch.cuda.mem_get_info(model.device)[0] < 1.5 * size)


def cast(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Cast the parameters alone: buffers, such as rotary frequencies, are float32 in every model."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def predict_dtype(device: torch.device, student: StudentSpec) -> torch.dtype:
    """On a CPU float32 unless the student is to be bf16; elsewhere the weights' own."""
    if device.type == "cpu" and student.dtype == "auto":
        return torch.float32
    return pick_dtype(student, device)
