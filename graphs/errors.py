"""What can stop a run.

LoopError                the run cannot go on: one paragraph for the user
├── TrainerError         the trainer process failed
└── TeacherError         the teacher cannot be used at all (bad key, unknown model)
    └── UnansweredError  the teacher cannot answer this call, and may answer others
RunPaused                the run stops with what it has and can go on later
├── BudgetExhausted      the next call could pass a cap
├── EndpointDown         an endpoint stayed down
├── TooManyUnanswered    the teacher leaves too many calls unanswered
├── ClusterDown          the trainer's cluster stayed away, or had no room
└── MachineBlocked       this machine cannot write or open a file
"""

from __future__ import annotations

import sqlite3
from typing import ClassVar, Literal

from trainer.storage import is_blocked

Wait = Literal["budget", "teacher", "cluster", "machine", "review", "user", "comparison"]
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


class MachineBlocked(RunPaused):
    """This machine cannot write or open a file: the disk is full or read-only, a database stays locked, or too many
    files are open. What was written before is whole."""

    waiting_for = "machine"


_SQLITE = (
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
)


def machine_blocked(error: BaseException) -> MachineBlocked | None:
    """The pause that an error stands for, if it or one of its causes comes from a machine that has no room."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MachineBlocked):
            return cause
        name = str(getattr(cause, "sqlite_errorname", "")) if isinstance(cause, sqlite3.Error) else ""
        if name.startswith(_SQLITE) or (isinstance(cause, OSError) and is_blocked(cause)):
            return MachineBlocked(
                f"{_said(error)} The run keeps what it has. Make room on this machine, or give back what is missing, "
                "and resume the run."
            )
        cause = cause.__cause__
    return None


def _said(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'A file'}: {error.strerror}."
    return f"{str(error).rstrip('.')}."
