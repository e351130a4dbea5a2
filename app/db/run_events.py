"""All queries that read the events of runs. A worker writes them with `app.db.leases.append_events`."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Run, RunEvent
from app.engine.events import BaseEvent, Event, read_event
from app.engine.run_status import ENDED

Kind = TypeVar("Kind", bound=BaseEvent)


class EventPosition(NamedTuple):
    """How far the events of a run are."""

    last: int
    """Id of the newest event."""
    over: bool
    """The run has ended."""


async def get_event_positions(session: AsyncSession, names: Collection[str]) -> dict[str, EventPosition]:
    """Run -> how far its events are."""
    query = select(Run.id, Run.last_event, Run.status).where(Run.id.in_(names))
    rows = (await session.execute(query)).all()
    return {name: EventPosition(last, status in ENDED) for name, last, status in rows}


async def get_events_after(session: AsyncSession, name: str, last: int, limit: int) -> list[Event]:
    """The events after `last`, in order."""
    query = (
        select(RunEvent).where(RunEvent.run == name, RunEvent.id > last).order_by(RunEvent.id).limit(limit)
    )
    return [event_of(row) for row in await session.scalars(query)]


async def get_events_of(session: AsyncSession, name: str, kind: type[Kind]) -> list[Kind]:
    """The events of one class, over all starts of a run, in order."""
    stored = str(kind.model_fields["type"].default)
    query = select(RunEvent).where(RunEvent.run == name, RunEvent.type == stored).order_by(RunEvent.id)
    events = (event_of(row) for row in await session.scalars(query))
    return [event for event in events if isinstance(event, kind)]


async def get_last_events(
    session: AsyncSession, name: str, limit: int, before: int | None = None
) -> list[Event]:
    """The newest events of a run, the newest first; those before an event where one is given."""
    query = select(RunEvent).where(RunEvent.run == name).order_by(RunEvent.id.desc()).limit(limit)
    if before is not None:
        query = query.where(RunEvent.id < before)
    return [event_of(row) for row in await session.scalars(query)]


def event_of(row: RunEvent) -> Event:
    """A stored event."""
    return read_event({"id": row.id, "time": row.time, "type": row.type, **row.data})
