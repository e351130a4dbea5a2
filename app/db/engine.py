"""Connections and transactions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.db.models import clock

Sessions = async_sessionmaker[AsyncSession]
"""Makes sessions: `async with sessions.begin() as session` is one transaction."""

AWAY = (OperationalError, InterfaceError, PoolTimeout, OSError)
"""Errors of a database that does not answer at the moment: stopped, unreachable, locked, or without room."""
POOL: dict[str, Any] = {"pool_size": 15, "max_overflow": 0}
"""Maximum number of connections of a process. All are kept open, because opening one takes longer than most queries."""
READING: dict[str, dict[str, Any]] = {
    # an SQLite connection is in no transaction before `_begin_sqlite` begins one
    "sqlite": {"reading": True},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}
"""Options of connections that only read."""


def make_engine(url: str) -> AsyncEngine:
    """An engine for `Settings.database`. SQLite gets a write-ahead log, and transactions that lock the file when
    they begin."""
    if not url.startswith("sqlite"):
        return create_async_engine(url, pool_pre_ping=True, hide_parameters=True, **POOL)
    engine = create_async_engine(
        url, connect_args={"timeout": 30, "isolation_level": None}, hide_parameters=True, **POOL
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def make_sessions(engine: AsyncEngine, *, reading: bool = False) -> Sessions:
    """Sessions whose objects stay readable after the commit.

    Args:
        reading: for sessions that do not write. There is no transaction, so no statement waits for a writer.
    """
    if reading:
        engine = engine.execution_options(**READING[engine.dialect.name])
    return async_sessionmaker(engine, expire_on_commit=False)


async def now(session: AsyncSession) -> float:
    """The database's time, in seconds since the epoch."""
    return float(await session.scalar(select(clock())) or 0.0)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    # a deferred transaction that has read cannot wait for another writer; it would fail at its first write
    if not connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
