"""What the service keeps: its folders, and its database with the latest schema."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import AWAY, make_engine
from app.db.migrate import upgrade
from app.errors import ConfigError
from app.settings import Settings


@asynccontextmanager
async def open_home(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The database. It and the folders are made where they are missing.

    Raises:
        ConfigError: a folder cannot be made, or the database cannot be used.
    """
    try:
        for folder in (settings.runs, settings.datasets):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"PADA_HOME: no folder can be made at {error.filename}: {error.strerror}. Name a folder that this user may write."
        ) from None
    try:
        engine = make_engine(settings.database)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"PADA_DATABASE_URL: PostgreSQL needs the package {error.name}. Run: pip install 'pada[postgres]'."
        ) from None
    try:
        try:
            if engine.dialect.name == "sqlite":
                _open_once(str(engine.url.database))
            await upgrade(engine)
        except (sqlite3.Error, DatabaseError, *AWAY) as error:
            reason = " ".join(str(getattr(error, "orig", error)).split())[:300]
            raise ConfigError(
                f"{'PADA_DATABASE_URL' if settings.database_url else 'PADA_HOME'}: the database cannot be used: {reason}."
            ) from None
        yield engine
    finally:
        await engine.dispose()


def _open_once(file: str) -> None:
    """aiosqlite leaves a thread behind, which prints a traceback, where it cannot open a file."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA schema_version")
