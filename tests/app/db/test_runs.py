"""The queries on runs, each on a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.db import runs as run_repository
from app.db.engine import Sessions
from app.db.pages import PageRequest
from app.db.run_summary import RunSummary, apply_event
from app.db.runs import Lease, RunEnd
from app.engine.events import (
    Event,
    RunStatusChanged,
    StageDone,
    StageStarted,
    TeacherSpend,
    TrainerProgress,
    UnknownEvent,
    read_event,
)
from graphs.state import NODES
from tests.app.db.database import add_run, claim, empty_database


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    async with empty_database(tmp_path) as database:
        yield database


async def append(sessions: Sessions, lease: Lease, *events: Event) -> bool:
    """Events with the summary that they add up to."""
    summary = RunSummary()
    for event in events:
        summary = apply_event(summary, event)
    async with sessions.begin() as session:
        return await run_repository.append_events(session, lease, events, summary)


async def test_the_oldest_run_is_claimed_first_and_each_once(sessions: Sessions) -> None:
    for name in ("first", "second"):
        await add_run(sessions, name)
    leases = [await claim(sessions) for _ in range(3)]
    assert leases == [Lease("first", 1), Lease("second", 1), None]


async def test_the_leases_of_a_dead_holder_can_be_claimed_at_once(sessions: Sessions) -> None:
    for name in ("one", "other"):
        await add_run(sessions, name)
        await claim(sessions, holder=f"holder of {name}")
    async with sessions.begin() as session:
        assert sorted(await run_repository.get_lease_holders(session)) == ["holder of one", "holder of other"]
        await run_repository.expire_leases(session, "holder of other")
    assert await claim(sessions) == Lease("other", 2)
    assert await claim(sessions) is None


async def test_events_are_numbered_over_owners_and_read_as_types(sessions: Sessions) -> None:
    await add_run(sessions, "run")
    await claim(sessions)
    note = read_event({"type": "note", "time": 2.5, "text": "of another version"})
    assert await append(sessions, Lease("run", 1), StageStarted(name="gate", time=1.5), note)
    async with sessions.begin() as session:
        assert await run_repository.release(session, Lease("run", 1), RunEnd("queued", "Drained."))
    assert await claim(sessions) == Lease("run", 2)
    assert not await append(sessions, Lease("run", 1), StageStarted(name="accept", time=3.5))
    async with sessions() as session:
        events = await run_repository.get_events_after(session, "run", 1, 100)
        positions = await run_repository.get_event_positions(session, ["run", "none"])
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
        await run_repository.release(session, Lease("run", 1), RunEnd("finished", "Done."))
    async with sessions() as session:
        assert (await run_repository.get_event_positions(session, ["run"]))["run"].over
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
        stages = await run_repository.get_events_of(session, "run", StageDone)
    assert [(stage.name, stage.seconds) for stage in stages] == [("gate", 2.0), ("gate", 2.0)]


async def test_totals_add_up_over_runs(sessions: Sessions) -> None:
    for name, calls in (("one", 3), ("other", 4)):
        await add_run(sessions, name)
        lease = await claim(sessions)
        assert lease
        spend = TeacherSpend(calls=calls, usd=0.25, tokens=10 * calls, retries=1, time=1.0)
        stage = StageDone(name="augment", done=1, total=1, seconds=1.5, time=1.0)
        assert await append(sessions, lease, spend, stage)
    await add_run(sessions, "has done nothing")
    async with sessions() as session:
        totals = await run_repository.get_totals(session)
    assert totals["teacher"] == {"calls": 7.0, "tokens": 70.0, "usd": 0.5, "retries": 2.0}
    assert set(totals["stages"]) == set(NODES)
    assert {name: seconds for name, seconds in totals["stages"].items() if seconds} == {"augment": 3.0}


async def test_the_rate_of_a_trainer_is_that_of_its_last_line(sessions: Sessions) -> None:
    await add_run(sessions, "run")
    await claim(sessions)
    lines = [TrainerProgress(stage="train", tokens_per_second=rate, time=1.0) for rate in (5.0, 812.5)]
    await append(sessions, Lease("run", 1), *lines)
    async with sessions() as session:
        assert await run_repository.get_training_rates(session) == {"run": 812.5}
    async with sessions.begin() as session:
        await run_repository.release(session, Lease("run", 1), RunEnd("paused", "", "user"))
    async with sessions() as session:
        assert await run_repository.get_training_rates(session) == {}


async def test_an_owner_sees_and_counts_its_own_runs(sessions: Sessions) -> None:
    for name, owner in (("a", "ann"), ("b", "bob"), ("c", "ann")):
        await add_run(sessions, name, owner)
    await claim(sessions)
    async with sessions() as session:
        mine, _ = await run_repository.get_page(session, "ann", None, PageRequest(None, 10))
        queued, _ = await run_repository.get_page(session, None, "queued", PageRequest(None, 10))
        assert await run_repository.get_by_id(session, "b", "ann") is None
        assert await run_repository.count_unfinished(session, "ann") == 2
        assert await run_repository.count_by_status(session) == {"queued": 2, "running": 1}
    assert [run.id for run in mine] == ["c", "a"]
    assert [run.id for run in queued] == ["c", "b"]
