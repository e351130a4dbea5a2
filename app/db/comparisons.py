"""All queries on comparisons, which are rows of the table of runs. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Run


async def get_newest(session: AsyncSession, owner: str | None, limit: int) -> list[Run]:
    """The newest comparisons.

    Args:
        owner: the required owner; None accepts any.
    """
    return list(await session.scalars(_owned(owner).order_by(Run.created.desc(), Run.id).limit(limit)))


async def get_by_id(session: AsyncSession, name: str, owner: str | None) -> Run | None:
    """A comparison by id.

    Args:
        owner: the required owner; None accepts any.
    """
    return (await session.scalars(_owned(owner).where(Run.id == name))).one_or_none()


async def count_by_status(session: AsyncSession) -> dict[str, int]:
    """Status -> number of comparisons."""
    query = select(Run.status, func.count()).where(Run.comparison.is_not(None)).group_by(Run.status)
    return {status: int(count) for status, count in await session.execute(query)}


def _owned(owner: str | None) -> Select[Run]:
    query = select(Run).where(Run.comparison.is_not(None))
    return query if owner is None else query.where(Run.owner == owner)
