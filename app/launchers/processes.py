"""Child processes that end with their parent, and names for processes that stay unique when a pid is used again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from trainer.forkserver import die_with

ROOT = Path(__file__).resolve().parents[2]
"""The folder that our packages are in."""


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line of a module of ours."""
    return [sys.executable, "-m", module, *arguments]


BRIEF_SPIN = {"GOMP_SPINCOUNT": "1000"}
"""The threads of one operation wait for each other, and soon sleep while they do. By default they spin for a while, and so
hold the cores that other processes need: another run, the embedder, a student that answers.
`benchmarks/neighbours.py` measures it."""


async def start_child(
    line: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
    outlives: bool = False,
    **options: Any,
) -> asyncio.subprocess.Process:
    """Start a process in a session of its own that ends when this process does, however that ends.

    Args:
        variables: environment variables in addition to those of this process.
        outlives: it does not: it ends by itself, soon after its input has ended.
        options: as for `asyncio.create_subprocess_exec`; without `stdin` the child reads nothing.
    """
    return await asyncio.create_subprocess_exec(
        *line,
        **{"stdin": asyncio.subprocess.DEVNULL, **options},
        start_new_session=True,
        preexec_fn=None if outlives else dying_with_me(),
        env={**BRIEF_SPIN, **os.environ, **our_modules(), **(variables or {})},
    )


def our_modules() -> dict[str, str]:
    """Environment variables with which `python -m` finds our modules, and not a folder `app` or `trainer` of the user's."""
    return {} if Path.cwd() == ROOT else {"PYTHONSAFEPATH": "1"}


def dying_with_me() -> Callable[[], None]:
    """A function that a child calls before it starts, so that it ends when this process does."""
    return partial(die_with, os.getpid())


@dataclass(frozen=True)
class Process:
    """One process of one machine, or of one container of it."""

    place: str
    """The machine's boot and the pid namespace; a pid of another place means nothing here."""
    pid: int
    started: str
    """Clock ticks since the machine's start (proc(5), stat, field 22)."""

    @classmethod
    def find(cls, pid: int) -> Self | None:
        """The process with this pid; None if there is none, or it has ended and only waits for its parent."""
        try:
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            namespace = os.readlink("/proc/self/ns/pid")
        except OSError:
            return None
        return None if state in "ZX" else cls(f"{boot}/{namespace}", pid, rest[18])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The inverse of `str`; None for any other text."""
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
        """Whether it was in this place and has ended. False for processes of other places, of which nothing is
        known."""
        this = Process.find(os.getpid())
        return this is not None and this.place == self.place and not self.lives
