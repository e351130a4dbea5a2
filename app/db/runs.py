"""All queries on runs and their events. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import now
from app.db.models import Run, RunEvent, clock
from app.db.pages import PageRequest, fetch
from app.db.run_summary import RunSummary
from app.engine.events import BaseEvent, Event, RunStatusChanged, read_event
from app.engine.run_status import ENDED, UNFINISHED, RunStatus
from graphs.errors import Wait
from graphs.state import NODES

Kind = TypeVar("Kind", bound=BaseEvent)

COSTS = ("calls", "tokens", "usd", "retries")
MOST_CRASHES = 5
"""Number of workers that may crash at one stage of a run before the run fails."""
FARTHEST_LEASE = 10
"""No lease lasts longer than so many of another process's, whose settings may differ."""
CRASHED = "Its worker"
"""First words of the reason of a run whose worker has crashed."""


@dataclass(frozen=True)
class Lease:
    """The right to work on a run, until another process claims the run with a higher token."""

    run: str
    token: int


@dataclass(frozen=True)
class RunEnd:
    """The status of a run that its worker releases, and why."""

    status: RunStatus
    reason: str
    waiting_for: Wait | None = None


class EventPosition(NamedTuple):
    """How far the events of a run are."""

    last: int
    """Id of the newest event."""
    over: bool
    """The run has ended."""


async def ping(session: AsyncSession) -> None:
    """Fails when the database does not answer, or has no tables."""
    await session.execute(select(Run.id).limit(1))


async def add(session: AsyncSession, run: Run) -> Run:
    """A new run, created now."""
    run.created = await now(session)
    session.add(run)
    await session.flush()
    return run


async def get_by_id(session: AsyncSession, name: str, owner: str | None, *, lock: bool = False) -> Run | None:
    """A run by id.

    Args:
        owner: the required owner; None accepts any.
        lock: no other transaction can change the run until this one ends.
    """
    query = select(Run).where(Run.id == name)
    if owner is not None:
        query = query.where(Run.owner == owner)
    return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def get_page(
    session: AsyncSession, owner: str | None, status: str | None, request: PageRequest
) -> tuple[list[Run], str | None]:
    """Runs that are no comparisons, the newest first, and the cursor of the next page.

    Args:
        owner: the required owner; None accepts any.
        status: the required status; None accepts any.
    """
    query = select(Run).where(Run.comparison.is_(None))
    if owner is not None:
        query = query.where(Run.owner == owner)
    if status is not None:
        query = query.where(Run.status == status)
    return await fetch(session, query, Run, request)


async def get_job_page(
    session: AsyncSession, owner: str | None, metadata: Mapping[str, str], request: PageRequest
) -> tuple[list[Run], str | None]:
    """Runs that are fine-tuning jobs, the newest first, and the cursor of the next page.

    Args:
        owner: the required owner; None accepts any.
        metadata: what the job's metadata must hold.
    """
    query = select(Run).where(Run.job.is_not(None))
    if owner is not None:
        query = query.where(Run.owner == owner)
    for key, value in metadata.items():
        query = query.where(Run.job["metadata"][key].as_string() == value)
    return await fetch(session, query, Run, request)


async def count_unfinished(session: AsyncSession, owner: str) -> int:
    """Number of unfinished runs of an owner; a comparison is one."""
    query = select(func.count()).where(Run.owner == owner, Run.status.in_(UNFINISHED))
    return int(await session.scalar(query) or 0)


async def count_by_status(session: AsyncSession) -> dict[str, int]:
    """Status -> number of runs."""
    rows = await session.execute(select(Run.status, func.count()).group_by(Run.status))
    return {status: int(count) for status, count in rows}


async def get_totals(session: AsyncSession) -> dict[str, dict[str, float]]:
    """Cost and time of all runs together.

    Returns:
        `teacher` -> calls, tokens, usd, retries; `stages` -> seconds by stage.
    """
    paths = [("cost", name) for name in COSTS] + [("stage_seconds", name) for name in NODES]
    sums = [func.coalesce(func.sum(Run.view[path].as_float()), 0.0) for path in paths]
    values = (await session.execute(select(*sums))).one()
    return {
        "teacher": dict(zip(COSTS, map(float, values[: len(COSTS)]), strict=True)),
        "stages": dict(zip(NODES, map(float, values[len(COSTS) :]), strict=True)),
    }


async def get_training_rates(session: AsyncSession) -> dict[str, float]:
    """Run -> tokens per second of its trainer, for running runs."""
    query = select(Run.id, Run.view["trainer"]["tokens_per_second"].as_float()).where(Run.status == "running")
    return {name: rate for name, rate in (await session.execute(query)).all() if rate}


async def claim_next(
    session: AsyncSession, holder: str, seconds: float, *, lapsed: bool = True
) -> Lease | None:
    """Claim the oldest run that is queued, or whose lease has lapsed; None if there is none.

    Args:
        holder: names the process that claims.
        seconds: how long the lease lasts.
        lapsed: also runs whose lease has lapsed.
    """
    # a lease far in the future is from before the clock was set back, and nobody has renewed it since
    outside = or_(Run.lease_until < clock(), Run.lease_until > clock() + FARTHEST_LEASE * seconds)
    silent = and_(Run.status == "running", outside)
    query = (
        select(Run)
        .where(or_(Run.status == "queued", silent) if lapsed else Run.status == "queued")
        .order_by(Run.created)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    run = (await session.execute(query)).scalar_one_or_none()
    if run is None:
        return None
    time = await now(session)
    run.status, run.token, run.lease_holder = "running", run.token + 1, holder
    run.lease_until, run.started = time + seconds, run.started or time
    run.reason, run.waiting_for = "", None
    await add_status_event(session, run)
    return Lease(run.id, run.token)


async def get_lease_holders(session: AsyncSession) -> list[str]:
    """Names of the processes that hold a lease, lapsed or not."""
    query = select(Run.lease_holder).where(Run.status == "running", Run.lease_holder.is_not(None)).distinct()
    return [holder for holder in await session.scalars(query) if holder]


async def expire_leases(session: AsyncSession, holder: str) -> None:
    """Let all leases of a holder lapse now."""
    query = update(Run).where(Run.status == "running", Run.lease_holder == holder)
    await session.execute(query.values(lease_until=clock() - 1))


async def renew_lease(session: AsyncSession, lease: Lease, seconds: float) -> bool:
    """Extend a lease; false when another process has taken the run over."""
    query = (
        update(Run)
        .where(Run.id == lease.run, Run.token == lease.token, Run.status == "running")
        .values(lease_until=clock() + seconds)
        .returning(Run.id)
    )
    return (await session.execute(query)).first() is not None


async def release(session: AsyncSession, lease: Lease, end: RunEnd) -> bool:
    """End a lease and set the run's status; false when the lease has ended before."""
    run = await get_by_id(session, lease.run, None, lock=True)
    if run is None or run.token != lease.token or run.status != "running":
        return False
    run.status, run.reason, run.waiting_for = end.status, end.reason, end.waiting_for
    run.lease_holder = run.lease_until = None
    if end.status != "queued":
        # a request or an answer that this worker had no time for is left to the next worker
        run.requested = run.answer = None
    if end.status not in UNFINISHED:
        run.ended = await now(session)
    await add_status_event(session, run)
    return True


async def requeue(session: AsyncSession, lease: Lease, why: str) -> None:
    """Queue a run whose worker has crashed; after `MOST_CRASHES` crashes at one stage the run has failed."""
    before = await count_crashes(session, lease.run)
    if before + 1 < MOST_CRASHES:
        await release(session, lease, RunEnd("queued", f"{CRASHED} {why}; another goes on."))
        return
    reason = f"{CRASHED} {why}, as {before} before it at this stage. The log says why; resume tries again."
    await release(session, lease, RunEnd("failed", reason))


async def count_crashes(session: AsyncSession, name: str) -> int:
    """Number of workers of a run that crashed in a row, with no stage done and no action of a user in between."""
    done = and_(RunEvent.type == "stage", RunEvent.data["state"].as_string() == "done")
    given_up = and_(RunEvent.type == "run", RunEvent.data["status"].as_string() != "running")
    query = (
        select(RunEvent)
        .where(RunEvent.run == name, or_(done, given_up))
        .order_by(RunEvent.id.desc())
        .limit(MOST_CRASHES)
    )
    events = await session.scalars(query)
    return sum(1 for _ in takewhile(lambda event: event.data.get("reason", "").startswith(CRASHED), events))


async def append_events(
    session: AsyncSession, lease: Lease, events: Sequence[Event], summary: RunSummary | None = None
) -> bool:
    """Number events and add them; false when another process has taken the run over.

    Args:
        events: with their times.
        summary: the run's summary after them; None leaves it.
    """
    changed: dict[str, Any] = {"last_event": Run.last_event + len(events)}
    if summary is not None:
        changed["view"] = summary.to_json()
    owned = update(Run).where(Run.id == lease.run, Run.token == lease.token)
    last = await session.scalar(owned.values(changed).returning(Run.last_event))
    if last is None:
        return False
    first = last - len(events) + 1
    session.add_all(
        RunEvent(run=lease.run, id=first + place, time=event.time, type=event.type, data=event.data())
        for place, event in enumerate(events)
    )
    return True


async def add_status_event(session: AsyncSession, run: Run) -> None:
    """Add the event for a new status of a run, which the caller has set."""
    await session.flush()
    event = RunStatusChanged(
        time=round(await now(session), 3),
        status=run.status,
        reason=run.reason,
        waiting_for=run.waiting_for,
    )
    await append_events(session, Lease(run.id, run.token), [event])
    await session.refresh(run)


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
