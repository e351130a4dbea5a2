"""Equal runs from one seed on a GPU too, whose fastest kernels add in an order that differs from run to run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.deterministic

WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
"""Without it cuBLAS may choose another algorithm for each stream; read when the first product is computed."""


def ask_for_workspace() -> None:
    """Before anything is computed on a GPU."""
    os.environ.setdefault(*WORKSPACE)


@contextmanager
def equal_runs(probe: Callable[[], object], warn: Callable[[str], object]) -> Iterator[None]:
    """Within it, a GPU computes the same numbers each time.

    Args:
        probe: a small training step, to see whether the model has an operation that knows no fixed order. If it has,
            there is no order, and `warn` is told.
    """
    settings: Any = torch.utils.deterministic
    fills = settings.fill_uninitialized_memory
    # It guards against reading what was never written, at the price of writing it.
    settings.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(True)
    try:
        try:
            probe()
        except RuntimeError as error:
            if "deterministic" not in str(error):
                raise
            torch.use_deterministic_algorithms(False)
            reason = str(error).split(",")[0].split("\n")[0]
            warn(f"Equal seeds give slightly different students on this GPU: {reason}.")
        yield
    finally:
        torch.use_deterministic_algorithms(False)
        settings.fill_uninitialized_memory = fills
