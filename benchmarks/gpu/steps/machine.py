"""The device, the libraries, and the two ceilings: a large bf16 product and a large copy."""

from __future__ import annotations

import importlib.metadata
import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.gpu.check import Check, NotHereError
from trainer.precision import pick_device, pick_dtype
from trainer.specs import StudentSpec

LIBRARIES = (
    *(
        "torch",
        "triton",
        "transformers",
        "accelerate",
        "peft",
        "trl",
        "liger-kernel",
        "bitsandbytes",
        "safetensors",
    ),
    *(
        "tokenizers",
        "sentence-transformers",
        "huggingface-hub",
        "datasets",
        "faiss-cpu",
        "langgraph",
        "pydantic",
    ),
)
REPEATS = 10


def run(check: Check) -> None:
    check.put("versions", value={name: version(name) for name in LIBRARIES})
    check.put("cuda", value=torch.version.cuda)
    if check.on_gpu and not torch.cuda.is_available():
        raise NotHereError("PyTorch sees no GPU; a rehearsal needs `--rehearse`.")
    device = pick_device()
    check.put("device", value=torch.cuda.get_device_name() if device.type == "cuda" else "cpu")
    check.put("dtype_auto", value=str(pick_dtype(StudentSpec(), device)))
    check.put("matmul_tflops", value=matmul(check.scale.matmul, device))
    check.put("copy_gb_per_second", value=copy(check.scale.matmul, device))


def version(name: str) -> str | None:
    """An installed distribution's version."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def matmul(size: int, device: torch.device) -> float:
    """bf16 TFLOP/s of a square product on random data."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / median_seconds(lambda: torch.mm(left, right), device) / 1e12


def copy(size: int, device: torch.device) -> float:
    """GB/s of a copy on the device, counting bytes read and written."""
    source = torch.randn(16 * size, size, device=device)
    target = torch.empty_like(source)
    seconds = median_seconds(lambda: target.copy_(source), device)
    return 2 * source.numel() * source.element_size() / seconds / 1e9


def median_seconds(work: Callable[[], object], device: torch.device) -> float:
    """Of one call, after three that are not timed."""
    times = []
    for _ in range(REPEATS + 3):
        synchronize(device)
        began = time.perf_counter()
        work()
        synchronize(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[3:])


def synchronize(device: torch.device) -> None:
    """Wait for the device's work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
