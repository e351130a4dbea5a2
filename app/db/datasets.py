"""All queries on data sets. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import now
from app.db.models import DataSet, Run
from app.db.pages import PageRequest, fetch
from app.engine.run_status import UNFINISHED


async def add(session: AsyncSession, row: DataSet) -> DataSet:
    """A new data set, created now."""
    row.created = await now(session)
    session.add(row)
    await session.flush()
    return row


async def get_by_id(
    session: AsyncSession, name: str, owner: str | None, *, purpose: str | None = None, lock: bool = False
) -> DataSet | None:
    """A data set by id.

    Args:
        owner: the required owner; None accepts any.
        purpose: that of an uploaded file; None is a data set with its three splits.
        lock: no other transaction can start a run on it until this one ends.
    """
    query = _owned(owner, purpose).where(DataSet.id == name)
    return (await session.scalars(query.with_for_update() if lock else query)).one_or_none()


async def get_same(session: AsyncSession, owner: str, name: str, files: dict[str, Any]) -> DataSet | None:
    """An owner's data set with this name and the same rows, the newest."""
    named = _owned(owner, None).where(DataSet.name == name, DataSet.source.is_(None))
    rows = await session.scalars(named.order_by(DataSet.created.desc()))
    return next((row for row in rows if row.files == files), None)


async def get_page(
    session: AsyncSession, owner: str | None, request: PageRequest, *, purpose: str | None = None
) -> tuple[list[DataSet], str | None]:
    """Data sets, or files of a purpose, the newest first, and the cursor of the next page."""
    return await fetch(session, _owned(owner, purpose), DataSet, request)


async def get_names(session: AsyncSession, ids: Collection[str]) -> dict[str, str]:
    """Id -> name, of the data sets that are there."""
    query = select(DataSet.id, DataSet.name).where(DataSet.id.in_(ids))
    return {row.id: row.name for row in await session.execute(query)} if ids else {}


async def get_taken_from(session: AsyncSession, file: str) -> list[DataSet]:
    """The data sets whose rows were taken from this uploaded file."""
    return list(await session.scalars(select(DataSet).where(DataSet.source == file).with_for_update()))


async def get_stored(session: AsyncSession, owner: str) -> tuple[int, int]:
    """How many uploads of an owner are kept, and the bytes of them and of the rows that were taken from them."""
    rows = (await session.execute(select(DataSet.files, DataSet.source).where(DataSet.owner == owner))).all()
    size = sum(file["bytes"] for files, _ in rows for file in files.values())
    return sum(source is None for _, source in rows), size


async def get_outdated(
    session: AsyncSession, purpose: str, seconds: float, owner: str, kept: int
) -> list[DataSet]:
    """The files of a purpose that were uploaded longer ago than this, and those of an owner before the newest ones."""
    before = await now(session) - seconds
    old = select(DataSet).where(DataSet.purpose == purpose, DataSet.created < before)
    many = _owned(owner, purpose).order_by(DataSet.created.desc(), DataSet.id).offset(kept)
    found = [*await session.scalars(old), *await session.scalars(many)]
    return list({row.id: row for row in found}.values())


async def is_in_use(session: AsyncSession, names: Collection[str]) -> bool:
    """Whether an unfinished run uses one of these data sets."""
    query = select(exists().where(Run.dataset.in_(names), Run.status.in_(UNFINISHED)))
    return bool(await session.scalar(query))


async def delete(session: AsyncSession, row: DataSet) -> None:
    """Delete a data set. Runs that have ended keep their own copy of the rows, and lose only its id."""
    await session.execute(update(Run).where(Run.dataset == row.id).values(dataset=None))
    await session.delete(row)
    await session.flush()


async def get_existing_ids(session: AsyncSession, names: Collection[str]) -> set[str]:
    """The ids that belong to data sets."""
    return set((await session.scalars(select(DataSet.id).where(DataSet.id.in_(names)))).all())


def _owned(owner: str | None, purpose: str | None) -> Select[DataSet]:
    query = select(DataSet).where(DataSet.purpose == purpose)  # SQLAlchemy writes IS NULL for None
    return query if owner is None else query.where(DataSet.owner == owner)
