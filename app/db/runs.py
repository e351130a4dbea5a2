"""All queries on runs and their events. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import now
from app.db.models import Run, RunEvent, clock
from app.db.pages import Place, fetch
from app.db.run_summary import RunSummary
from app.engine.events import Event, RunStatusChanged, StageDone, read_event
from app.engine.run_status import UNFINISHED, RunStatus
from graphs.state import NODES

COSTS = ("calls", "tokens", "usd", "retries")
MOST_CRASHES = 5
"""Workers that may crash at one stage of a run before it has failed."""
CRASHED = "Its worker"
"""How the reason of a run begins whose worker has crashed."""


async def add(session: AsyncSession, run: Run) -> Run:
    """A new run, created now."""
    run.created = await now(session)
    session.add(run)
    await session.flush()
    return run


async def get_by_id(session: AsyncSession, name: str, owner: str | None, *, lock: bool = False) -> Run | None:
    """A run by id.

    Args:
        owner: whose it must be; None is anybody's.
        lock: keep others from changing it until the transaction ends.
    """
    query = select(Run).where(Run.id == name)
    if owner is not None:
        query = query.where(Run.owner == owner)
    return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def get_page(
    session: AsyncSession, owner: str | None, status: str | None, asked: Place
) -> tuple[list[Run], str | None]:
    """Runs, the newest first, and the cursor of the next page.

    Args:
        owner: whose they must be; None is anybody's.
        status: which status they must have; None is any.
    """
    query = select(Run)
    if owner is not None:
        query = query.where(Run.owner == owner)
    if status is not None:
        query = query.where(Run.status == status)
    return await fetch(session, query, Run, asked)


async def count_unfinished(session: AsyncSession, owner: str) -> int:
    """Runs of one owner that may still do something."""
    query = select(func.count()).where(Run.owner == owner, Run.status.in_(UNFINISHED))
    return int(await session.scalar(query) or 0)


async def count_by_status(session: AsyncSession) -> dict[str, int]:
    """How many runs there are of each status."""
    rows = await session.execute(select(Run.status, func.count()).group_by(Run.status))
    return {status: int(count) for status, count in rows}


async def get_totals(session: AsyncSession) -> dict[str, dict[str, float]]:
    """What all runs have cost and taken together.

    Returns:
        `teacher` -> calls, tokens, usd, retries; `stages` -> seconds by stage.
    """
    paths = [("cost", name) for name in COSTS] + [("stage_seconds", name) for name in NODES]
    sums = [func.coalesce(func.sum(Run.view[path].as_float()), 0.0) for path in paths]
    found = (await session.execute(select(*sums))).one()
    return {
        "teacher": dict(zip(COSTS, map(float, found[: len(COSTS)]), strict=True)),
        "stages": dict(zip(NODES, map(float, found[len(COSTS) :]), strict=True)),
    }


async def get_training_rates(session: AsyncSession) -> dict[str, float]:
    """Run -> tokens a second, of the trainers at work."""
    query = select(Run.id, Run.view["trainer"]["tokens_per_second"].as_float()).where(Run.status == "running")
    return {name: rate for name, rate in (await session.execute(query)).all() if rate}


async def claim_next(session: AsyncSession, holder: str, seconds: float) -> Run | None:
    """The next run to work on, with a new fencing token: one that waits, or one whose owner has gone silent."""
    lapsed = and_(Run.status == "running", Run.lease_until < clock())
    query = (
        select(Run)
        .where(or_(Run.status == "queued", lapsed))
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
    return run


async def get_lease_holders(session: AsyncSession) -> Sequence[str]:
    """Who holds a lease, lapsed or not."""
    query = select(Run.lease_holder).where(Run.status == "running", Run.lease_holder.is_not(None)).distinct()
    return [holder for holder in await session.scalars(query) if holder]


async def expire_leases(session: AsyncSession, holder: str) -> None:
    """Let all leases of a holder lapse now."""
    query = update(Run).where(Run.status == "running", Run.lease_holder == holder)
    await session.execute(query.values(lease_until=clock() - 1))


async def renew_lease(session: AsyncSession, name: str, token: int, seconds: float) -> bool:
    """Lengthen a lease; false when the run is another's by now."""
    query = (
        update(Run)
        .where(Run.id == name, Run.token == token, Run.status == "running")
        .values(lease_until=clock() + seconds)
        .returning(Run.id)
    )
    return (await session.execute(query)).first() is not None


async def release(
    session: AsyncSession, name: str, token: int, status: RunStatus, reason: str, waiting_for: str | None
) -> bool:
    """Give a run up as `status`; false when it is another's by now, or was given up before."""
    run = await get_by_id(session, name, None, lock=True)
    if run is None or run.token != token or run.status != "running":
        return False
    run.status, run.reason, run.waiting_for = status, reason, waiting_for
    run.lease_holder = run.lease_until = None
    if status != "queued":
        # a wish and an answer that this worker had no time for are the next one's
        run.asked = run.answer = None
    if status not in UNFINISHED:
        run.ended = await now(session)
    await add_status_event(session, run)
    return True


async def requeue(session: AsyncSession, name: str, token: int, why: str) -> None:
    """Let another worker go on with a run whose own has crashed; a run at whose stage all crash has failed."""
    before = await count_crashes(session, name)
    if before + 1 < MOST_CRASHES:
        await release(session, name, token, "queued", f"{CRASHED} {why}; another goes on.", None)
        return
    reason = f"{CRASHED} {why}, as {before} before it at this stage. The log says why; resume tries again."
    await release(session, name, token, "failed", reason, None)


async def count_crashes(session: AsyncSession, name: str) -> int:
    """Workers of a run that crashed one after another, without a stage done or a user's word between them."""
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
    session: AsyncSession,
    name: str,
    token: int,
    events: Sequence[Event],
    summary: RunSummary | None = None,
) -> bool:
    """Number events and add them; false when another process owns the run by now.

    Args:
        events: with their times.
        summary: the run's summary after them; None leaves it.
    """
    changed: dict[str, Any] = {"last_event": Run.last_event + len(events)}
    if summary is not None:
        changed["view"] = summary.to_json()
    query = update(Run).where(Run.id == name, Run.token == token).values(changed).returning(Run.last_event)
    last = await session.scalar(query)
    if last is None:
        return False
    first = last - len(events) + 1
    session.add_all(
        RunEvent(run=name, id=first + place, time=event.time, type=event.type, data=event.data())
        for place, event in enumerate(events)
    )
    return True


async def add_status_event(session: AsyncSession, run: Run) -> None:
    """Add the event that a run's status changed; the change itself is the caller's."""
    await session.flush()
    event = RunStatusChanged(
        time=round(await now(session), 3),
        status=run.status,
        reason=run.reason,
        waiting_for=run.waiting_for,
    )
    await append_events(session, run.id, run.token, [event])
    await session.refresh(run)


async def get_events_after(session: AsyncSession, name: str, last: int, limit: int) -> list[Event]:
    """The events after `last`, in order."""
    query = (
        select(RunEvent).where(RunEvent.run == name, RunEvent.id > last).order_by(RunEvent.id).limit(limit)
    )
    return [event_of(row) for row in await session.scalars(query)]


async def get_stages_done(session: AsyncSession, name: str) -> list[StageDone]:
    """The stages of a run that have ended, over all its starts."""
    query = select(RunEvent).where(RunEvent.run == name, RunEvent.type == "stage").order_by(RunEvent.id)
    events = (event_of(row) for row in await session.scalars(query))
    return [event for event in events if isinstance(event, StageDone)]


def event_of(row: RunEvent) -> Event:
    """A stored event."""
    return read_event({"id": row.id, "time": row.time, "type": row.type, **row.data})
