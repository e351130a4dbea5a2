"""Migrates a database to the latest schema; safe with several processes at once."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

LOCK = 823470
"""Id of a PostgreSQL advisory lock. SQLite needs none: its transaction locks the whole file."""


async def upgrade(engine: AsyncEngine) -> None:
    """Apply the missing migrations of `migrations/versions` in one transaction."""
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "app:db/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
