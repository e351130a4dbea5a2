"""What can stop a run.

LoopError                the run cannot go on: one paragraph for the user
├── TrainerError         the trainer process failed
└── TeacherError         the teacher cannot be used at all (bad key, unknown model)
    └── UnansweredError  the teacher cannot answer this call, and may answer others
RunPaused                the run stops with what it has and can go on later
├── BudgetExhausted      the next call could pass a cap
├── EndpointDown         an endpoint stayed down
├── TooManyUnanswered    the teacher leaves too many calls unanswered
└── ClusterDown          the trainer's cluster stayed away, or had no room
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
    """The teacher cannot be used: a wrong key, or an unknown model."""


class UnansweredError(TeacherError):
    """The teacher cannot answer this call: it declines, the request is too long, or no answer fits the schema."""


class RunPaused(Exception):  # noqa: N818 - it is not an error
    """The run stops and keeps its results. It goes on when you start it again."""

    waiting_for: ClassVar[Wait]


class BudgetExhausted(RunPaused):
    """The next call could pass `budget.max_usd`, `budget.max_calls` or `budget.max_tokens`."""

    waiting_for = "budget"


class EndpointDown(RunPaused):
    """A teacher endpoint stayed down longer than the breaker allows."""

    waiting_for = "teacher"


class TooManyUnanswered(RunPaused):
    """The teacher left more calls unanswered than a run goes on with (`graphs.teacher.answer_rate`)."""

    waiting_for = "teacher"


class ClusterDown(RunPaused):
    """The cluster could not be reached within the waiting time, or had no room for a job."""

    waiting_for = "cluster"
