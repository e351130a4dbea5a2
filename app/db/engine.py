"""Connections and transactions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.db.models import clock

Sessions = async_sessionmaker[AsyncSession]
"""Makes sessions: `async with sessions.begin() as session` is one transaction."""


def make_engine(url: str) -> AsyncEngine:
    """An engine for `Settings.database`; SQLite gets a write-ahead log, and transactions that lock from their start."""
    if not url.startswith("sqlite"):
        return create_async_engine(url, pool_pre_ping=True, hide_parameters=True)
    engine = create_async_engine(
        url, connect_args={"timeout": 30, "isolation_level": None}, hide_parameters=True
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def make_sessions(engine: AsyncEngine, *, reading: bool = False) -> Sessions:
    """Sessions whose objects stay readable after the commit.

    Args:
        reading: nothing is written, so that on SQLite nobody has to wait for a writer.
    """
    if reading:
        engine = engine.execution_options(reading=True)
    return async_sessionmaker(engine, expire_on_commit=False)


async def now(session: AsyncSession) -> float:
    """The database's time, in seconds since the epoch."""
    return float(await session.scalar(select(clock())) or 0.0)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    reading = connection.get_execution_options().get("reading", False)
    # a deferred transaction that read first cannot wait for a writer: it fails at its first write
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
