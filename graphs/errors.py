"""What can stop a run.

LoopError               the run cannot go on: one paragraph for the user
├── TrainerError        the trainer process failed
└── TeacherError        the teacher cannot be used at all (bad key, unknown model, answers that never fit)
RunPaused               the run stops with what it has and can go on later
├── BudgetExhausted     the next call could pass a cap
├── EndpointDown        an endpoint stayed down
└── ClusterDown         the trainer's cluster stayed away, or had no room
"""

from __future__ import annotations

from typing import ClassVar, Literal

Wait = Literal["budget", "teacher", "cluster", "review", "user", "comparison"]
"""What a paused run waits for."""


class LoopError(Exception):
    """The run cannot go on. The message says what to do."""


class TrainerError(LoopError):
    """The trainer process failed."""


class TeacherError(LoopError):
    """The teacher cannot be used: a wrong key, an unknown model, or answers that never fit the schema."""


class RunPaused(Exception):  # noqa: N818 - it is not an error
    """The run stops and keeps its results. It goes on when you start it again."""

    waiting_for: ClassVar[Wait]


class BudgetExhausted(RunPaused):
    """The next call could pass `budget.max_usd`, `budget.max_calls` or `budget.max_tokens`."""

    waiting_for = "budget"


class EndpointDown(RunPaused):
    """A teacher endpoint stayed down longer than the breaker allows."""

    waiting_for = "teacher"


class ClusterDown(RunPaused):
    """The cluster could not be reached within the waiting time, or had no room for a job."""

    waiting_for = "cluster"
