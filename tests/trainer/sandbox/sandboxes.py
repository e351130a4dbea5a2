"""Helpers of the sandbox's tests."""

from __future__ import annotations

from pathlib import Path

from trainer.sandbox.execution import ProgramTest, Verdict, run_test
from trainer.sandbox.launch import KINDS, Kind, unavailable
from trainer.sandbox.limits import Limits

AVAILABLE_KINDS = [kind for kind in KINDS if unavailable(kind) is None]
"""The kinds of sandbox that this machine has."""
SHORT = Limits(cpu_seconds=1, wall_seconds=8.0)
RIGHT = "def answer(): return 42"


def run(
    kind: Kind, program: str, tests: str = "assert answer() == 42", limits: Limits | None = None
) -> Verdict:
    return run_test(ProgramTest(program=program, tests=tests, provides=("answer",)), limits or Limits(), kind)


def returned(kind: Kind, body: str, limits: Limits | None = None) -> str:
    """What a function with this body returns or raises, as the verdict shows it."""
    return run(kind, function(body), "assert answer() == 'no such value'", limits).reason


def function(body: str) -> str:
    return "def answer():\n" + "".join(f"    {line}\n" for line in body.splitlines())


def descendants(of: int) -> set[int]:
    """Ids of all descendants of a process, from `/proc`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    pids = {of}
    while more := {child for child, parent in parents.items() if parent in pids} - pids:
        pids |= more
    return pids - {of}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
