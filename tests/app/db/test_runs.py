"""The queries on runs, each on a real database."""

from __future__ import annotations

from app.db import leases as lease_repository
from app.db import runs as run_repository
from app.db.engine import Sessions
from app.db.leases import Lease, RunEnd
from app.db.pages import PageRequest
from app.engine.events import StageDone, TeacherSpend, TrainerProgress
from graphs.state import NODES
from tests.app.db.database import add_run, append, claim


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
        await lease_repository.release(session, Lease("run", 1), RunEnd("paused", "", "user"))
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
