"""The events of runs, each on a real database."""

from __future__ import annotations

from app.db import leases as lease_repository
from app.db import run_events as event_repository
from app.db import runs as run_repository
from app.db.engine import Sessions
from app.db.leases import Lease, RunEnd
from app.engine.events import RunStatusChanged, StageDone, StageStarted, UnknownEvent, read_event
from tests.app.db.database import add_run, append, claim


async def test_events_are_numbered_over_owners_and_read_as_types(sessions: Sessions) -> None:
    await add_run(sessions, "run")
    await claim(sessions)
    note = read_event({"type": "note", "time": 2.5, "text": "of another version"})
    assert await append(sessions, Lease("run", 1), StageStarted(name="gate", time=1.5), note)
    async with sessions.begin() as session:
        assert await lease_repository.release(session, Lease("run", 1), RunEnd("queued", "Drained."))
    assert await claim(sessions) == Lease("run", 2)
    assert not await append(sessions, Lease("run", 1), StageStarted(name="accept", time=3.5))
    async with sessions() as session:
        events = await event_repository.get_events_after(session, "run", 1, 100)
        positions = await event_repository.get_event_positions(session, ["run", "none"])
    assert [type(event) for event in events] == [
        StageStarted,
        UnknownEvent,
        RunStatusChanged,
        RunStatusChanged,
    ]
    assert [event.id for event in events] == [2, 3, 4, 5]
    assert events[1].to_json() == {"id": 3, "time": 2.5, "type": "note", "text": "of another version"}
    assert events[2].data() == {"status": "queued", "reason": "Drained.", "waiting_for": None}
    assert positions == {"run": (5, False)}


async def test_a_run_that_has_ended_sends_no_more_events(sessions: Sessions) -> None:
    await add_run(sessions, "run")
    await claim(sessions)
    async with sessions.begin() as session:
        await lease_repository.release(session, Lease("run", 1), RunEnd("finished", "Done."))
    async with sessions() as session:
        assert (await event_repository.get_event_positions(session, ["run"]))["run"].over
        run = await run_repository.get_by_id(session, "run", None)
    assert run
    assert run.ended
    assert run.lease_holder is None


async def test_the_stages_that_have_ended_over_all_starts(sessions: Sessions) -> None:
    await add_run(sessions, "run")
    await claim(sessions)
    done = StageDone(name="gate", done=1, total=1, seconds=2.0, time=1.0)
    await append(sessions, Lease("run", 1), StageStarted(name="gate", time=0.5), done, done)
    async with sessions() as session:
        stages = await event_repository.get_events_of(session, "run", StageDone)
    assert [(stage.name, stage.seconds) for stage in stages] == [("gate", 2.0), ("gate", 2.0)]
