"""All queries on runs. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import now
from app.db.models import Run
from app.db.pages import PageRequest, fetch
from app.engine.run_status import UNFINISHED
from graphs.state import NODES

COSTS = ("calls", "tokens", "usd", "retries")


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
    """Status -> number of runs that are no comparisons."""
    query = select(Run.status, func.count()).where(Run.comparison.is_(None)).group_by(Run.status)
    return {status: int(count) for status, count in await session.execute(query)}


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
