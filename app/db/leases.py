"""Who may work on a run, and what its worker writes. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import now
from app.db.models import Run, RunEvent, clock
from app.db.run_summary import RunSummary
from app.db.runs import add, get_by_id
from app.engine.events import Event, RunStatusChanged
from app.engine.run_status import UNFINISHED, RunStatus
from graphs.errors import Wait

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


async def add_queued(session: AsyncSession, run: Run) -> None:
    """Add a new run, with its first event."""
    run.last_event = 1
    await add(session, run)
    await _add_event(session, run, run.created)


async def add_status_event(session: AsyncSession, run: Run) -> None:
    """Add the event for a new status of a run, which the caller has set, and which nobody else can change meanwhile."""
    run.last_event += 1
    await _add_event(session, run, await now(session))


async def _add_event(session: AsyncSession, run: Run, time: float) -> None:
    event = RunStatusChanged(
        time=round(time, 3), status=run.status, reason=run.reason, waiting_for=run.waiting_for
    )
    session.add(RunEvent(run=run.id, id=run.last_event, time=event.time, type=event.type, data=event.data()))
    await session.flush()
