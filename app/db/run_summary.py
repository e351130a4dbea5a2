"""The summary of a run that GET returns, kept up to date event by event. Its size does not grow with the run."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer

from app.engine.events import (
    BaseEvent,
    Event,
    PowerEstimate,
    ReviewRequested,
    RoundScore,
    StageDone,
    StageProgress,
    StageStarted,
    TeacherSpend,
    TrainerProgress,
)


def _data(event: BaseEvent | None) -> dict[str, Any] | None:
    return event.data() if event else None


_AsData = PlainSerializer(_data)
"""Events are stored here without their `id`, `time` and `type`."""


class Tally(BaseModel):
    """How far the stage at work is: branches, or the trainer's steps or rows."""

    done: int
    total: int


class RunSummary(BaseModel):
    """What the events of a run add up to; the column `view` of a run holds its JSON."""

    model_config = ConfigDict(frozen=True)

    stage: str | None = None
    round: int = 0
    """The last round that was scored."""
    progress: Tally | None = None
    eta_seconds: float | None = None
    trainer: Annotated[TrainerProgress | None, _AsData] = None
    scores: list[Annotated[RoundScore, _AsData]] = []
    cost: Annotated[TeacherSpend | None, _AsData] = None
    stage_seconds: dict[str, float] = {}
    detectable: Annotated[PowerEstimate | None, _AsData] = None
    review: Annotated[ReviewRequested | None, _AsData] = None
    """The last review that the run has asked for; it may be answered by now."""

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """The summary in a stored JSON object; keys of another version of pada are kept."""
        return cls.model_validate(document, extra="allow")

    def to_json(self) -> dict[str, Any]:
        """The JSON object to store; what no event has said yet is left out."""
        return self.model_dump(mode="json", exclude_unset=True) | (self.model_extra or {})


def apply_event(summary: RunSummary, event: Event) -> RunSummary:
    """The summary after one more event."""
    return summary.model_copy(update=changes(summary, event))


def changes(summary: RunSummary, event: Event) -> dict[str, Any]:
    """Fields of the summary that an event changes, with their new values."""
    match event:
        case StageStarted(name=name):
            return {"stage": name, "progress": None, "eta_seconds": None, "trainer": None}
        case StageProgress(done=done, total=total):
            return {"progress": Tally(done=done, total=total)}
        case StageDone(name=name, done=done, total=total, seconds=seconds):
            before = summary.stage_seconds.get(name, 0.0)
            taken = summary.stage_seconds | {name: round(before + seconds, 3)}
            return {"progress": Tally(done=done, total=total), "stage_seconds": taken}
        case TrainerProgress(step=step, steps=steps, eta_seconds=left):
            return {"trainer": event, "progress": Tally(done=step, total=steps), "eta_seconds": left}
        case RoundScore(round=number):
            others = [score for score in summary.scores if score.round != number]
            return {"scores": [*others, event], "round": number}
        case TeacherSpend():
            return {"cost": event}
        case PowerEstimate(value=value, n=n, power=power):
            return {"detectable": PowerEstimate(value=value, n=n, power=power)}
        case ReviewRequested():
            return {"review": event}
    return {}
