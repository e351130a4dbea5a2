"""Requests to a teacher, for those who watch: which, how long, and with what result; no text and no key."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from graphs.ports import Role
from graphs.teacher.cost import Charge


@dataclass(frozen=True)
class RequestRecord:
    """One request that has ended."""

    role: Role
    schema: str
    model: str
    number: int
    """1 for the first attempt of a call; an attempt that tries several modes makes several requests."""
    outcome: str
    """`answered`, or the kind of fault (`graphs.teacher.failures.Kind`); `open` if nobody knows."""
    charge: Charge | None
    seconds: float


watcher: ContextVar[Callable[[RequestRecord], None] | None] = ContextVar("watcher", default=None)
"""Hears of every request that is made in its context."""
