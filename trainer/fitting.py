"""The micro-batch that fits into memory, chosen before anything is loaded."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from accelerate import Accelerator

from trainer.data import Row
from trainer.memory import (
    MemoryEstimate,
    advice,
    available_bytes,
    count_parameters,
    estimate,
    gigabytes,
)
from trainer.packing import pack, pad
from trainer.specs import StudentSpec
from trainer.weights import ModelError, read_config, resolve_model

MEMORY_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory")
"""How allocators other than CUDA's say it, in a plain RuntimeError."""


@dataclass(frozen=True)
class Fit:
    """What the estimate decided."""

    micro_batch_size: int
    estimate: MemoryEstimate
    """Of training with this micro-batch."""
    available: int | None
    """Bytes that were free; None where the device does not say."""
    warning: str | None
    """One sentence, if the micro-batch was lowered."""

    def report(self, peak_mb: float) -> dict[str, int]:
        """Bytes by name, for `TrainReport.memory`."""
        free = {} if self.available is None else {"available": self.available}
        return self.estimate.parts() | free | {"peak": int(peak_mb * 2**20)}


def fit(
    student: StudentSpec, accelerator: Accelerator, rows: Sequence[Row], micro_batch_size: int, dtype: str
) -> Fit:
    """The largest micro-batch that fits, by halving; the same on all processes.

    Args:
        student: what is trained.
        accelerator: device and processes.
        rows: the training rows, of which the longest decide.
        micro_batch_size: what is asked for; never more than that.
        dtype: of the weights.

    Raises:
        ModelError: one row at a time does not fit; the message has the numbers and what to do.
    """
    source = resolve_model(student.model)
    config = read_config(source)
    parameters = count_parameters(source)
    free = free_bytes(accelerator.device)
    longest = sorted(rows, key=lambda row: -row.length)
    device = accelerator.device.type

    def of(size: int) -> MemoryEstimate:
        tokens, width, labels = cut(longest[:size], config, student)
        return estimate(
            config,
            student,
            tokens,
            labels=labels,
            width=width,
            dtype=dtype,
            device=device,
            parameters=parameters,
        )

    size = micro_batch_size
    while free is not None and size > 1 and needed(of(size)) > free:
        size = max(1, size // 2)
    fits = free is None or needed(of(size)) <= free
    size, fits = _agree(accelerator, size, fits)
    found = of(size)
    if not fits:
        raise ModelError(refusal(found, free or 0, longest[0].length, student))
    warning = None
    if size < micro_batch_size:
        warning = (
            f"{micro_batch_size} rows at once would take {gigabytes(needed(of(micro_batch_size)))}, and "
            f"{gigabytes(free or 0)} are free: {size} rows at once, and more accumulation."
        )
    return Fit(size, found, free, warning)


def needed(found: MemoryEstimate) -> int:
    """Bytes that training will take from now on: the libraries are loaded already."""
    return found.training - found.context


def refusal(found: MemoryEstimate, free: int, longest: int, student: StudentSpec) -> str:
    """Why training cannot start, in numbers, and what to do."""
    state = found.gradients + found.optimizer
    return (
        f"This training needs about {gigabytes(needed(found))} with one row at a time, and {gigabytes(free)} are free: "
        f"{gigabytes(found.weights + found.adapter)} of weights, {gigabytes(state)} of gradients and optimizer, "
        f"{gigabytes(found.activations + found.logits)} of activations and logits for the longest row "
        f"({longest:,} tokens). To make it fit, {advice(student)}."
    )


def free_bytes(device: torch.device) -> int | None:
    """What this process may take on its device; processes of one host share its memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "cpu":
        return available_bytes() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return None


def cut(rows: Sequence[Row], config: dict[str, Any], student: StudentSpec) -> tuple[int, int, int]:
    """Tokens, length of a sequence and labels of these rows, the longest first, as one micro-batch."""
    text = config.get("text_config") or config
    hidden = text.get("hidden_size") or text.get("n_embd") or 1
    window = text.get("sliding_window") if text.get("use_sliding_window", True) else None
    plain = student.lora.dropout > 0 or rows[0].length > (window or math.inf)
    batch = pad(rows, 0) if plain else pack(rows, 0, hidden)
    return batch.input_ids.numel(), batch.input_ids.shape[1], batch.targets.numel()


def _agree(accelerator: Accelerator, size: int, fits: bool) -> tuple[int, bool]:
    """The smallest micro-batch of all processes, and whether it fits everywhere."""
    if accelerator.num_processes == 1:
        return size, fits
    least = torch.tensor([size, int(fits)], device=accelerator.device)
    torch.distributed.all_reduce(least, op=torch.distributed.ReduceOp.MIN)
    smallest, everywhere = least.tolist()
    return int(smallest), bool(everywhere)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in MEMORY_MESSAGES)
