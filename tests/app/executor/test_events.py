"""Events of a leased run in the database."""

from __future__ import annotations

from pathlib import Path

from app.db import run_events as event_repository
from app.db import runs as run_repository
from app.db.leases import Lease
from app.db.run_summary import RunSummary
from app.engine.events import Event, RunStatusChanged, StageDone, StageStarted, TeacherSpend
from app.executor.events import DatabaseEventLog
from tests.app.db.database import add_run, claim, empty_database


async def test_events_are_stored_in_order_with_their_summary(tmp_path: Path) -> None:
    heard: list[Event] = []
    async with empty_database(tmp_path) as sessions:
        await add_run(sessions, "run")
        lease = await claim(sessions)
        assert lease == Lease("run", 1)
        async with DatabaseEventLog(sessions, lease, RunSummary(round=3), heard.append) as log:
            log.emit(RunStatusChanged(status="running"))
            log.emit(StageStarted(name="augment"))
            log.emit(TeacherSpend(calls=5, usd=0.25, tokens=70))
            log.emit(StageDone(name="augment", done=2, total=2, seconds=1.5))
        async with DatabaseEventLog(sessions, lease, RunSummary(), heard.append) as log:
            log.emit(StageDone(name="augment", done=2, total=2, seconds=0.5))
            assert log.stage_seconds() == {"augment": 2.0}, "with those of the start before"
        async with sessions() as session:
            stored = await event_repository.get_events_after(session, "run", 1, 100)
            run = await run_repository.get_by_id(session, "run", None)
    assert [event.type for event in heard] == ["stage", "spent", "stage", "stage"], (
        "the service tells the status"
    )
    assert [event.id for event in stored] == [2, 3, 4, 5]
    assert [event.data() for event in stored] == [event.data() for event in heard]
    assert all(event.time for event in heard)
    assert run
    assert run.view["stage_seconds"] == {"augment": 0.5}, "of the summary that the second start was given"
