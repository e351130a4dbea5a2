"""The events of a run: one class for each `type`, with the JSON that events.jsonl and the stream hold.

    match event:
        case StageDone(name=name, seconds=seconds): ...
        case RoundScore(promoted=True): ...

New events are strict: an unknown field is an error. Events that are read may come from another version of pada, so
`read_event` keeps fields that it does not know, and gives an `UnknownEvent` for everything that fits no type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.engine.run_status import RunStatus
from graphs.context import Reviewed
from graphs.errors import Wait
from trainer.progress import Progress


class BaseEvent(BaseModel):
    """What all events have. `id` and `time` are 0, and not part of the JSON, until the event is stored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: int = 0
    """1, 2, ... without a gap, also over restarts of the run."""
    time: float = 0.0
    """Seconds since the epoch."""
    type: str

    def model_post_init(self, _: Any) -> None:
        # what tells the types apart has a default, and is written all the same
        self.model_fields_set.update({"type", "state"} & type(self).model_fields.keys())

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object; fields that were never set are left out."""
        return self.model_dump(mode="json", exclude_unset=True) | (self.model_extra or {})

    def data(self) -> dict[str, Any]:
        """The JSON object without `id`, `time` and `type`."""
        return {key: value for key, value in self.to_json().items() if key not in ("id", "time", "type")}


class RunStatusChanged(BaseEvent):
    """The run has another status."""

    type: Literal["run"] = "run"
    status: RunStatus
    reason: str = ""
    waiting_for: Wait | None = None
    run_id: str | None = None
    folder: str | None = None
    """The run's folder, for a run of the command line."""


class StageStarted(BaseEvent):
    """A node of the loop starts."""

    type: Literal["stage"] = "stage"
    name: str
    state: Literal["started"] = "started"


class StageProgress(BaseEvent):
    """Some branches of a node are done."""

    type: Literal["stage"] = "stage"
    name: str
    state: Literal["progress"] = "progress"
    done: int
    total: int


class StageDone(BaseEvent):
    """All branches of a node are done, or the run stops in it."""

    type: Literal["stage"] = "stage"
    name: str
    state: Literal["done"] = "done"
    done: int
    total: int
    seconds: float


class TrainerProgress(Progress, BaseEvent):
    """A line of the trainer's progress."""

    type: Literal["trainer"] = "trainer"
    time: float = 0.0
    """Seconds since the epoch."""


class PowerEstimate(BaseEvent):
    """The smallest true difference that the validation rows can show."""

    type: Literal["power"] = "power"
    value: float
    """A fraction of 1."""
    n: int
    """Validation rows."""
    power: float
    assumption: str = ""


class RoundScore(BaseEvent):
    """A student was scored on the validation rows and judged by the gate."""

    type: Literal["score"] = "score"
    round: int
    metric: str
    validation: float
    ci95: tuple[float, float]
    promoted: bool
    reason: str


class TeacherSpend(BaseEvent):
    """What the teacher has cost so far, in all starts of the run."""

    type: Literal["spent"] = "spent"
    calls: int
    usd: float
    tokens: int
    retries: int = 0


class ReviewRequested(BaseEvent):
    """The run waits for a reviewer."""

    type: Literal["review"] = "review"
    about: Reviewed
    round: int
    patterns: list[str] = []
    """Ids, where it is about patterns."""
    accepted: int | None = None
    """Rows, where it is about rows."""
    rejected: int | None = None


class UnknownEvent(BaseEvent):
    """An event of another version of pada; its fields are kept as they are."""

    model_config = ConfigDict(extra="allow")


StageEvent = StageStarted | StageProgress | StageDone
KnownEvent = (
    RunStatusChanged
    | StageEvent
    | TrainerProgress
    | PowerEstimate
    | RoundScore
    | TeacherSpend
    | ReviewRequested
)
Event = KnownEvent | UnknownEvent
Listener = Callable[[Event], None]

_KNOWN: TypeAdapter[KnownEvent] = TypeAdapter(
    Annotated[
        RunStatusChanged
        | Annotated[StageEvent, Field(discriminator="state")]
        | TrainerProgress
        | PowerEstimate
        | RoundScore
        | TeacherSpend
        | ReviewRequested,
        Field(discriminator="type"),
    ]
)


def read_event(document: dict[str, Any]) -> Event:
    """The event that a JSON object holds, whichever version of pada has written it.

    Raises:
        ValidationError: the object has no `type`.
    """
    try:
        return _KNOWN.validate_python(document, extra="allow")
    except ValidationError:
        return UnknownEvent.model_validate(document)


class EventSink(Protocol):
    """Takes the events of a run, in order."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None:
        """Returns when all events are stored."""
        ...

    def emit(self, event: Event) -> None:
        """Take one event; returns at once."""
        ...

    def stage_seconds(self) -> dict[str, float]:
        """Wall time by stage, over all starts of the run."""
        ...


def stage_seconds(events: Iterable[Event]) -> dict[str, float]:
    """Wall time by stage."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for event in events:
        if isinstance(event, StageDone):
            seconds[event.name] += event.seconds
    return {name: round(value, 3) for name, value in seconds.items()}
