"""A hook for telemetry: it receives a record of each request to a teacher, without its text and without a key."""

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
    attempt: int
    """1 for the first attempt of a call. An attempt that tries several modes makes several requests."""
    outcome: str
    """`answered`, or the kind of failure (`graphs.teacher.failures.Kind`); `open` if it is not known."""
    charge: Charge | None
    """What the request cost; None if it is not known."""
    seconds: float
    mode: str
    """How JSON was asked for (`graphs.teacher.request.Mode`)."""
    usage_reported: bool = False
    """Whether the answer said how many tokens it took."""
    thought: bool = False
    """Whether the model thought before it answered."""


watcher: ContextVar[Callable[[RequestRecord], None] | None] = ContextVar("watcher", default=None)
"""Is called with every request that ends in its context."""
