"""The events of a run as the messages of a job."""

from __future__ import annotations

import re

from app.api.fine_tuning.schemas import JobEvent
from app.api.openai_errors import NoSuchObjectError
from app.engine.events import (
    Event,
    PowerEstimate,
    ReviewRequested,
    RoundScore,
    RunStatusChanged,
    StageDone,
    StageProgress,
    StageStarted,
    TeacherSpend,
    TrainerProgress,
)
from app.engine.run_status import RunStatus

PREFIX = "ftevent-"
STATUSES: dict[RunStatus, str] = {
    "queued": "The job is queued.",
    "running": "A worker has the job and checks its rows.",
    "paused": "The job is paused.",
    "cancelled": "The job was cancelled.",
    "finished": "The job has completed.",
    "failed": "The job has failed.",
}


def event_view(run: str, event: Event) -> JobEvent:
    """An event as it is shown."""
    return JobEvent(
        id=f"{PREFIX}{run}-{event.id}",
        created_at=int(event.time),
        level=_level(event),
        message=message(event),
        type="metrics" if _has_metrics(event) else "message",
        data={key: value for key, value in event.data().items() if value is not None},
    )


def number_of(run: str, name: str) -> int:
    """The number of a run's event by the id that clients know.

    Raises:
        NoSuchObjectError: it is the id of no event of this run.
    """
    found = re.fullmatch(rf"{PREFIX}{run}-(\d{{1,15}})", name, re.ASCII)
    if not found:
        raise NoSuchObjectError(f"No such event of this job: {name[:100]}", "after")
    return int(found[1])


def _has_metrics(event: Event) -> bool:
    return isinstance(event, RoundScore) or (isinstance(event, TrainerProgress) and event.loss is not None)


def _level(event: Event) -> str:
    match event:
        case RunStatusChanged(status="failed") | TrainerProgress(stage="error"):
            return "error"
        case RunStatusChanged(status="paused") | TrainerProgress(stage="warning"):
            return "warn"
    return "info"


def message(event: Event) -> str:
    """An event in one sentence."""
    match event:
        case RunStatusChanged(status=status, reason=reason):
            return f"{STATUSES[status]} {reason}".strip()
        case StageStarted(name=name):
            return f"{name} started"
        case StageProgress(name=name, done=done, total=total):
            return f"{name}: {done} of {total}"
        case StageDone(name=name, seconds=seconds):
            return f"{name} done in {seconds:.1f} s"
        case TrainerProgress(message=str(text)):
            return text
        case TrainerProgress(step=step, steps=steps, loss=float(loss)):
            return f"Step {step}/{steps}: training loss={loss:.4g}"
        case TrainerProgress(stage=stage, step=step, steps=steps):
            return f"{stage}: {step} of {steps}" if steps else stage
        case RoundScore(round=number, metric=metric, validation=value, reason=reason):
            return f"Round {number}: validation {metric}={value:.4f}. {reason}"
        case PowerEstimate(value=value, n=n):
            return f"The {n} validation rows can show a difference of {value:.3f}"
        case TeacherSpend(calls=calls, usd=usd):
            return f"The teacher has taken {calls} calls and ${usd:.2f}"
        case ReviewRequested(about=about):
            return f"The job waits for a review of {about}"
    return event.type
