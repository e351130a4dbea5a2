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
def equal_runs(probe: Callable[[], object]) -> Iterator[str | None]:
    """Within it, a GPU computes the same numbers each time; the value is why it cannot, or None.

    Args:
        probe: a small training step, to see whether the model has an operation that knows no fixed order.
    """
    torch.use_deterministic_algorithms(True)
    settings: Any = torch.utils.deterministic
    fills = settings.fill_uninitialized_memory
    # It guards against reading what was never written, at the price of writing it.
    settings.fill_uninitialized_memory = False
    try:
        reason = None
        try:
            probe()
        except RuntimeError as error:
            if "deterministic" not in str(error):
                raise
            reason = str(error).split(",")[0].split("\n")[0]
            torch.use_deterministic_algorithms(False)
        yield reason
    finally:
        torch.use_deterministic_algorithms(False)
        settings.fill_uninitialized_memory = fills
