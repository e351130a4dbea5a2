"""A run in the database belongs to one owner at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import leases as lease_repository
from app.db import run_events as event_repository
from app.db import runs as run_repository
from app.db.engine import Sessions, make_engine, make_sessions
from app.db.leases import Lease, RunEnd
from app.db.migrate import upgrade
from app.db.models import Run
from app.db.run_summary import RunSummary
from app.engine.events import RoundScore, StageDone, TeacherSpend
from app.engine.run_status import RunStatus
from app.executor.events import DatabaseEventLog
from app.settings import Settings
from tests.service import new_database
from trainer.fencing import Superseded


@dataclass
class Database:
    """An empty database with one run, claimed once."""

    engine: AsyncEngine
    sessions: Sessions


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    settings = Settings(home=tmp_path, database_url=new_database().get("PADA_DATABASE_URL", ""))
    engine = make_engine(settings.database)
    await upgrade(engine)
    sessions = make_sessions(engine)
    async with sessions.begin() as session:
        run = Run(id="run", owner="", config={}, status="queued", reason="", view={}, token=0, last_event=0)
        await run_repository.add(session, run)
        claimed = await lease_repository.claim_next(session, "first", 0.2)
        assert claimed
        assert claimed.token == 1
    yield Database(engine, sessions)
    await engine.dispose()


@pytest.mark.skipif("PADA_TEST_POSTGRES" not in os.environ, reason="`make postgres` has one")
async def test_the_checkpoints_refuse_in_postgresql(database: Database) -> None:
    from app.db.checkpoints import postgres_checkpoints

    url = database.engine.url.render_as_string(hide_password=False)
    thread: Any = {"configurable": {"thread_id": "run", "checkpoint_ns": ""}}

    async def sleep_and_write() -> None:
        async with postgres_checkpoints(url, 1) as old:
            kept = await old.aput(thread, empty_checkpoint(), {}, {})
            await old.aput_writes(kept, [("channel", 1)], "task")
            await asyncio.sleep(0.3)
            assert await claim(database)
            async with postgres_checkpoints(url, 2) as new:
                await new.aput_writes(kept, [("channel", 2)], "another task")
            for _ in range(100):
                with pytest.raises(Exception, match="superseded"):
                    await old.aput_writes(kept, [("channel", 3)], "a third task")
            checkpoint = await old.aget_tuple(thread)
            assert checkpoint
            assert sorted(checkpoint.pending_writes or []) == [
                ("another task", "channel", 2),
                ("task", "channel", 1),
            ]
            await old.aput(thread, empty_checkpoint(), {}, {})

    with pytest.raises(Superseded):
        await sleep_and_write()


async def claim(database: Database) -> Lease | None:
    async with database.sessions.begin() as session:
        return await lease_repository.claim_next(session, "second", 30)


async def test_a_lease_keeps_others_out_until_it_lapses(database: Database) -> None:
    assert await claim(database) is None
    async with database.sessions.begin() as session:
        assert await lease_repository.renew_lease(session, Lease("run", 1), 3)
    await asyncio.sleep(1)
    assert await claim(database) is None
    await asyncio.sleep(2.5)
    taken = await claim(database)
    assert taken
    assert taken.token == 2
    async with database.sessions.begin() as session:
        assert not await lease_repository.renew_lease(session, Lease("run", 1), 30)
        assert not await lease_repository.release(session, Lease("run", 1), RunEnd("finished", ""))
    async with database.sessions() as session:
        row = await run_repository.get_by_id(session, "run", None)
    assert row
    assert row.status == "running"


async def test_events_of_an_earlier_owner_are_refused(database: Database) -> None:
    async def sleep_and_tell() -> None:
        async with DatabaseEventLog(database.sessions, Lease("run", 1), RunSummary(), lambda _: None) as old:
            score: Any = {"round": 0, "metric": "accuracy", "validation": 0.5, "ci95": (0, 1)}
            old.emit(RoundScore(**score, promoted=True, reason=""))
            await asyncio.sleep(0.3)
            assert await claim(database)
            for _ in range(100):
                old.emit(TeacherSpend(calls=1, usd=0.0, tokens=1, retries=0))
                await asyncio.sleep(0.001)

    with pytest.raises(Superseded):
        await sleep_and_tell()
    async with database.sessions() as session:
        events = await event_repository.get_events_after(session, "run", 0, 1000)
        run = await run_repository.get_by_id(session, "run", None)
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert not [event for event in events if event.type == "spent"]
    assert run
    assert "cost" not in run.view
    assert run.view["scores"][0]["validation"] == 0.5


@pytest.mark.parametrize("ended", ["finished", "paused", "cancelled"])
async def test_a_worker_that_crashes_on_its_way_out_changes_nothing(
    database: Database, ended: RunStatus
) -> None:
    async with database.sessions.begin() as session:
        assert await lease_repository.release(session, Lease("run", 1), RunEnd(ended, "It was done."))
    async with database.sessions.begin() as session:
        await lease_repository.requeue(session, Lease("run", 1), "was ended by signal 9")
    async with database.sessions() as session:
        run = await run_repository.get_by_id(session, "run", None)
    assert run
    assert (run.status, run.reason) == (ended, "It was done.")


async def test_a_run_whose_workers_all_crash_at_one_stage_has_failed(database: Database) -> None:
    async def crash(token: int) -> Run:
        async with database.sessions.begin() as session:
            await lease_repository.requeue(session, Lease("run", token), "was ended by signal 9")
        async with database.sessions() as session:
            run = await run_repository.get_by_id(session, "run", None)
        assert run
        return run

    async def start() -> int:
        run = await claim(database)
        assert run
        return run.token

    token = 1
    for _ in range(lease_repository.MOST_CRASHES - 1):
        assert (await crash(token)).status == "queued"
        token = await start()
    async with database.sessions.begin() as session:
        event = StageDone(name="evaluate", done=1, total=1, seconds=0.1)
        assert await lease_repository.append_events(session, Lease("run", token), [event])
    for _ in range(lease_repository.MOST_CRASHES - 1):
        assert (await crash(token)).status == "queued", "a stage was done: the count begins anew"
        token = await start()
    failed = await crash(token)
    assert failed.status == "failed"
    assert "signal 9" in failed.reason
    assert await claim(database) is None
