"""The events of a run in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from app.engine.event_log import EventLog
from app.engine.events import Event, RunStatusChanged, StageDone


async def test_events_go_on_after_a_line_cut_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    heard: list[Event] = []
    async with EventLog(path, heard.append) as log:
        log.emit(RunStatusChanged(status="running"))
        log.emit(RunStatusChanged(status="paused"))
    whole = path.read_text()
    path.write_text(whole + '{"id": 3, "type": "ru')
    async with EventLog(path, heard.append) as log:
        log.emit(RunStatusChanged(status="finished"))
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["id"] for event in events] == [1, 2, 3]
    assert events == [event.to_json() for event in heard]


async def test_the_time_of_a_stage_counts_all_starts_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for seconds in (1.5, 2.25):
        async with EventLog(path, lambda _: None) as log:
            log.emit(StageDone(name="gate", done=1, total=1, seconds=seconds))
    assert log.stage_seconds() == {"gate": 3.75}
