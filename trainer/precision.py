"""The device that a student runs on, and the precision of its weights there."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from accelerate import PartialState

from trainer.specs import StudentSpec

NATIVE_BF16 = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
"""CPU features, as `torch.cpu.get_capabilities` names them, with which bf16 products need no emulation."""

LOSS_SCALE = 2.0**16
"""With which float16 training begins; halved at an overflow, doubled after 2,000 steps without one."""

PROBES = 9
"""Timings of a matrix product in each precision."""

PROBE_SIZE = 512
"""Rows and columns of the measured matrices."""

SLOWER = 1.25
"""Longest time of a bf16 product, as a multiple of float32's. Native ones take less, emulated ones several times more."""


def pick_device() -> torch.device:
    """The device that accelerate gives this process; `ACCELERATE_USE_CPU=true` keeps it on the CPU."""
    device: torch.device = PartialState().device
    return device


def pick_dtype(student: StudentSpec, device: torch.device) -> torch.dtype:
    """The precision of the weights: bf16 where the device is fast at it, fp16 on older GPUs, else float32."""
    if student.dtype != "auto":
        named: torch.dtype = getattr(torch, student.dtype)
        return named
    if device.type == "cuda":
        return _pick_cuda_dtype(device)
    fast = device.type == "cpu" and _cpu_is_fast_at_bf16()
    return torch.bfloat16 if fast else torch.float32


def _pick_cuda_dtype(device: torch.device) -> torch.dtype:
    """bf16 is native since Ampere. Volta and Turing have fp16 tensor cores. On older GPUs fp16 may be slow."""
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    fast_at_fp16 = torch.cuda.get_device_capability(device) >= (7, 0)
    return torch.float16 if fast_at_fp16 else torch.float32


def _cpu_is_fast_at_bf16() -> bool:
    """Whether bf16 products are native and, as measured here, not much slower than float32 ones.

    The two are timed in turn and the best times count, because other processes may use the CPU.
    """
    capabilities = torch.cpu.get_capabilities()
    if not any(capabilities.get(feature) for feature in NATIVE_BF16):
        return False
    best = {torch.bfloat16: math.inf, torch.float32: math.inf}
    for _ in range(PROBES):
        for dtype in best:
            best[dtype] = min(best[dtype], _product_seconds(dtype))
    return best[torch.bfloat16] < SLOWER * best[torch.float32]


def _product_seconds(dtype: torch.dtype) -> float:
    shape = (PROBE_SIZE, PROBE_SIZE)
    left, right = torch.ones(shape, dtype=dtype), torch.ones(shape, dtype=dtype)
    start = time.perf_counter()
    torch.mm(left, right)
    return time.perf_counter() - start


def loss_scaler(device: torch.device, dtype: str, state: dict[str, Any]) -> torch.amp.GradScaler:
    """Scales the loss in float16, whose smallest gradients are 0 otherwise (arXiv 1710.03740, section 3.2).

    Args:
        dtype: of the weights; with another one nothing is scaled.
        state: of the last checkpoint's scaler.
    """
    half = dtype == "float16"
    scaler = torch.amp.GradScaler(device.type, init_scale=LOSS_SCALE, enabled=half)
    if half and state:
        scaler.load_state_dict(state)
    return scaler
