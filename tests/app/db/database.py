"""An empty database of the service, for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.db import leases as lease_repository
from app.db import runs as run_repository
from app.db.engine import Sessions, make_engine, make_sessions
from app.db.leases import Lease
from app.db.migrate import upgrade
from app.db.models import Run
from app.db.run_summary import RunSummary, apply_event
from app.engine.events import Event
from app.settings import Settings
from tests.service import new_database


@asynccontextmanager
async def empty_database(folder: Path) -> AsyncIterator[Sessions]:
    """On SQLite, or in the PostgreSQL of `make postgres`."""
    settings = Settings(home=folder, database_url=new_database().get("PADA_DATABASE_URL", ""))
    engine = make_engine(settings.database)
    await upgrade(engine)
    yield make_sessions(engine)
    await engine.dispose()


async def add_run(sessions: Sessions, name: str, owner: str = "") -> None:
    """A queued run."""
    run = Run(id=name, owner=owner, config={}, status="queued", reason="", view={}, token=0, last_event=0)
    async with sessions.begin() as session:
        await run_repository.add(session, run)


async def claim(sessions: Sessions, holder: str = "holder", seconds: float = 30) -> Lease | None:
    """Claim the next run."""
    async with sessions.begin() as session:
        return await lease_repository.claim_next(session, holder, seconds)


async def append(sessions: Sessions, lease: Lease, *events: Event) -> bool:
    """Events with the summary that they add up to."""
    summary = RunSummary()
    for event in events:
        summary = apply_event(summary, event)
    async with sessions.begin() as session:
        return await lease_repository.append_events(session, lease, events, summary)
