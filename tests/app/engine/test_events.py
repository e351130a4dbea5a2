"""Events as types, and their JSON in events.jsonl and on the stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.engine.events import (
    BaseEvent,
    Event,
    RoundScore,
    RunStatusChanged,
    StageDone,
    StageStarted,
    UnknownEvent,
    read_event,
    stage_seconds,
)

RECORDED = Path(__file__).with_name("recorded_events.jsonl").read_text(encoding="utf-8").splitlines()
"""One line of each kind, as a run wrote them when events were plain dicts; the last two are those of the service."""


@pytest.mark.parametrize("line", RECORDED)
def test_a_recorded_event_has_a_type_and_the_same_json(line: str) -> None:
    event = read_event(json.loads(line))
    assert not isinstance(event, UnknownEvent)
    assert json.dumps(event.to_json(), ensure_ascii=False) == line


def test_every_type_is_in_the_recorded_sample() -> None:
    leaves = {cls for cls in BaseEvent.__subclasses__() if cls is not UnknownEvent}
    assert {type(read_event(json.loads(line))) for line in RECORDED} == leaves


def test_an_event_that_is_not_stored_has_no_id_and_no_time() -> None:
    assert StageStarted(name="gate").to_json() == {"type": "stage", "name": "gate", "state": "started"}
    assert RunStatusChanged(status="paused", reason="").data() == {"status": "paused", "reason": ""}


SCORE: dict[str, Any] = {
    "id": 4,
    "time": 1.5,
    "type": "score",
    "round": 1,
    "metric": "accuracy",
    "validation": 0.5,
    "ci95": [0.4, 0.6],
    "promoted": True,
    "reason": "Better.",
}


def test_fields_of_a_newer_version_are_kept() -> None:
    event = read_event(SCORE | {"calibration": {"ece": 0.1}})
    assert isinstance(event, RoundScore)
    assert event.validation == 0.5
    assert event.to_json() == SCORE | {"calibration": {"ece": 0.1}}


@pytest.mark.parametrize(
    "document",
    [
        {"id": 1, "time": 2.0, "type": "note", "text": "hello"},
        {"id": 1, "time": 2.0, "type": "stage", "name": "gate", "state": "skipped"},
        {"id": 1, "time": 2.0, "type": "run", "status": "archived"},
        {key: value for key, value in SCORE.items() if key != "metric"},
    ],
    ids=["type", "state", "status", "missing field"],
)
def test_what_fits_no_type_is_unknown_and_kept(document: dict[str, Any]) -> None:
    event = read_event(document)
    assert isinstance(event, UnknownEvent)
    assert event.to_json() == document


def test_a_new_event_takes_no_unknown_field() -> None:
    fields: Any = {"name": "gate", "colour": "red"}
    with pytest.raises(ValidationError, match="colour"):
        StageStarted(**fields)


def test_seconds_add_up_by_stage() -> None:
    events: list[Event] = [
        StageStarted(name="gate"),
        StageDone(name="gate", done=1, total=1, seconds=0.1),
        StageDone(name="accept", done=1, total=1, seconds=2.0),
        StageDone(name="gate", done=1, total=1, seconds=0.2),
    ]
    assert stage_seconds(events) == {"gate": 0.3, "accept": 2.0}
