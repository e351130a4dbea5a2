"""A clock that jumps by an hour, back or forth, does not take runs from workers that are alive."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.db import engine
from app.db import leases as lease_repository
from app.db.engine import Sessions
from app.db.leases import Lease
from app.executor.clock import ClockWatch
from app.executor.supervisor import Supervisor
from app.settings import Settings
from tests.app.db.database import add_run, claim, empty_database

HOUR = 3600.0


def test_leases_are_not_believed_until_the_live_ones_are_renewed() -> None:
    own = 100.0
    watch = ClockWatch(30, lambda: own)
    assert watch.trusts(1000.0)
    own += 1
    assert watch.trusts(1001.2)
    own += 1
    assert not watch.trusts(1002.0 + HOUR)
    own += 29
    assert not watch.trusts(1031.0 + HOUR)
    own += 2
    assert watch.trusts(1033.0 + HOUR)
    own += 1
    assert not watch.trusts(1034.0), "back again"


class Clock:
    """The clock of all SQLite connections, which can be set."""

    offset = 0.0

    def days(self, _: str) -> float:
        """As SQLite's julianday('now')."""
        return (time.time() + self.offset) / 86_400 + 2_440_587.5


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Always SQLite, whose clock a test can set."""
    monkeypatch.delenv("PADA_TEST_POSTGRES", raising=False)
    clock, prepare = Clock(), engine._prepare_sqlite

    def prepared(connection: Any, record: Any) -> None:
        prepare(connection, record)
        connection.create_function("julianday", 1, clock.days)

    monkeypatch.setattr(engine, "_prepare_sqlite", prepared)
    return clock


@pytest.fixture
async def sessions(clock: Clock, tmp_path: Path) -> AsyncIterator[Sessions]:
    async with empty_database(tmp_path) as database:
        await add_run(database, "run")
        yield database


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> list[Lease]:
    """What a supervisor claims, without a worker for it."""
    leases: list[Lease] = []
    whole = lease_repository.claim_next

    async def claim_next(*arguments: Any, **named: Any) -> Lease | None:
        lease = await whole(*arguments, **named)
        leases.extend([lease] if lease else [])
        return None

    monkeypatch.setattr(lease_repository, "claim_next", claim_next)
    return leases


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_jump_takes_no_run_from_a_live_worker_and_gives_up_a_silent_one(
    jump: float, clock: Clock, sessions: Sessions, claimed: list[Lease], tmp_path: Path
) -> None:
    await claim(sessions, "another process", seconds=30)
    lease, own = claimed.pop(), 0.0
    supervisor = Supervisor(Settings(home=tmp_path, lease_seconds=30), sessions)
    supervisor._clock = ClockWatch(30, lambda: time.monotonic() + own)

    async def look_after(seconds: float, *, renewed: bool) -> list[Lease]:
        """What the supervisor takes when so much time has passed."""
        nonlocal own
        own += seconds
        clock.offset += seconds
        if renewed:
            async with sessions.begin() as session:
                assert await lease_repository.renew_lease(session, lease, 30)
        await supervisor._claim()
        return claimed

    assert await look_after(0, renewed=True) == []
    clock.offset += jump
    assert await look_after(1, renewed=False) == [], "the worker has had no time to renew its lease"
    assert await look_after(9, renewed=True) == []
    assert await look_after(21, renewed=True) == []
    assert await look_after(15, renewed=False) == []
    assert await look_after(20, renewed=False) == [Lease("run", 2)]


async def test_a_lease_from_before_the_clock_was_set_back_does_not_last_an_hour(
    clock: Clock, sessions: Sessions
) -> None:
    clock.offset = HOUR
    assert await claim(sessions, "dead") == Lease("run", 1)
    clock.offset = 0
    assert await claim(sessions) == Lease("run", 2)
