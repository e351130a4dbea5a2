"""Processes of this machine, as the kernel lists them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


def all_processes() -> Iterator[Path]:
    """Folders of living processes; one may be gone by the time that it is read."""
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())


def command_of(process: int) -> str:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name a folder."""
    commands = {int(entry.name): command_of(int(entry.name)) for entry in all_processes()}
    return [f"{process} {command}" for process, command in commands.items() if str(folder) in command]


def children_of(parent: int) -> list[int]:
    """All living descendants of a process."""
    below = defaultdict(list)
    for entry in all_processes():
        if stat := status_of(int(entry.name)):
            below[int(stat[1])].append(int(entry.name))
    descendants, open_ = [], [parent]
    while open_:
        children = below[open_.pop()]
        descendants += children
        open_ += children
    return descendants


def alive(process: int) -> bool:
    """Whether a process still works; a zombie does not."""
    stat = status_of(process)
    return bool(stat) and stat[0] != "Z"


def status_of(process: int) -> list[str]:
    """Fields of proc(5) stat from the state on; empty when the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def still_alive(processes: Iterable[int], seconds: float) -> list[int]:
    """Which of them still live after so many seconds, or sooner if none does."""
    left = list(processes)
    deadline = time.monotonic() + seconds
    while (left := [process for process in left if alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def until(true: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something is the case."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
