"""The lease of a run at work is renewed from a thread, and what the user asks of the run is heard."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.db import leases as lease_repository
from app.db import runs as run_repository
from app.db.engine import Sessions
from app.db.leases import Lease
from app.executor.heartbeat import LeaseHeartbeat
from app.settings import Settings
from tests.app.db.database import add_run, claim, empty_database

LEASE = Lease("run", 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, lease_seconds=2, heartbeat_seconds=0.2, poll_seconds=0.05)


@pytest.fixture
async def sessions(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sessions]:
    """A database with one claimed run; always SQLite, which the heartbeat opens by the same settings."""
    monkeypatch.delenv("PADA_TEST_POSTGRES", raising=False)
    async with empty_database(settings.home) as database:
        await add_run(database, "run")
        assert await claim(database, seconds=0.5) == LEASE
        yield database


async def wait_for(event: threading.Event) -> bool:
    return await asyncio.to_thread(event.wait, 10)


async def test_the_lease_outlives_its_seconds(settings: Settings, sessions: Sessions) -> None:
    lost = threading.Event()
    with LeaseHeartbeat(settings, LEASE, lambda _: None, lost.set):
        await asyncio.sleep(1)
        assert await claim(sessions) is None, "it was claimed for half a second"
    assert not lost.is_set()
    await asyncio.sleep(2.2)
    assert await claim(sessions) == Lease("run", 2), "nobody renews it any more"


async def test_a_request_of_the_user_is_heard(settings: Settings, sessions: Sessions) -> None:
    heard, asked = threading.Event(), []

    def on_request(request: str) -> None:
        asked.append(request)
        heard.set()

    with LeaseHeartbeat(settings, LEASE, on_request, lambda: None):
        async with sessions.begin() as session:
            run = await run_repository.get_by_id(session, "run", None, lock=True)
            assert run
            run.requested = "pause"
        assert await wait_for(heard)
    assert set(asked) == {"pause"}


async def test_a_run_that_was_taken_over_is_lost_once(settings: Settings, sessions: Sessions) -> None:
    lost, times = threading.Event(), []

    def on_lost() -> None:
        times.append(1)
        lost.set()

    async with sessions.begin() as session:
        await lease_repository.expire_leases(session, "holder")
    assert await claim(sessions, "another") == Lease("run", 2)
    with LeaseHeartbeat(settings, LEASE, lambda _: None, on_lost):
        assert await wait_for(lost)
        await asyncio.sleep(0.3)
    assert times == [1]
