"""Migrates a database to the latest schema; safe with several processes at once."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

LOCK = 823470
"""Id of a PostgreSQL advisory lock. SQLite needs none: its transaction locks the whole file."""
VERSIONS = Path(__file__).parent / "migrations" / "versions"
"""Files of migrations, each named by its revision, which is a number, and what it does."""


async def upgrade(engine: AsyncEngine) -> None:
    """Apply the missing migrations of `migrations/versions` in one transaction."""
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        if await connection.run_sync(_revision) != latest():
            await connection.run_sync(_upgrade)


def latest() -> str:
    """The revision of the latest migration."""
    return max(file.name.partition("_")[0] for file in VERSIONS.glob("*_*.py"))


def _revision(connection: Connection) -> str | None:
    """The revision that a database has; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(connection: Connection) -> None:
    # loading it takes a tenth of the time of a start, and most databases are of this version
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "app:db/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
