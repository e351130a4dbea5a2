"""Processes of this machine, told apart for good: a pid is used again, but not with the same start."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def dying_with_me() -> Callable[[], None]:
    """What a child calls before it starts, to end when this process does, however and whenever that ends."""
    parent = os.getpid()

    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended meanwhile
            os._exit(1)

    return prepare


@dataclass(frozen=True)
class Process:
    """One process of one machine, or of one container of it."""

    place: str
    """The machine's boot and the namespace that the pid belongs to; pids of other places say nothing here."""
    pid: int
    started: str
    """Clock ticks since the machine's start (proc(5), stat, field 22)."""

    @classmethod
    def find(cls, pid: int) -> Self | None:
        """The process with this pid here; None if there is none, or it has ended and only waits for its parent."""
        try:
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            namespace = os.readlink("/proc/self/ns/pid")
        except OSError:
            return None
        return None if state in "ZX" else cls(f"{boot}/{namespace}", pid, rest[18])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The process that `str` has named; None for any other text."""
        match text.split():
            case [place, pid, started] if pid.isdigit():
                return cls(place, int(pid), started)
        return None

    def __str__(self) -> str:
        return f"{self.place} {self.pid} {self.started}"

    @property
    def lives(self) -> bool:
        """Whether it is here and alive."""
        return Process.find(self.pid) == self

    @property
    def is_gone(self) -> bool:
        """Whether it was here and has ended; of a process elsewhere nothing is known."""
        here = Process.find(os.getpid())
        return here is not None and here.place == self.place and not self.lives
