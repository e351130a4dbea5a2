"""A database of an earlier version becomes one of this version, with what is in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.db import datasets as dataset_repository
from app.db import runs as run_repository
from app.db.engine import make_engine, make_sessions
from app.db.migrate import latest, upgrade
from app.db.models import Base
from app.settings import Settings
from tests.service import new_database


def upgrade_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "app:db/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def test_data_sets_and_runs_of_the_first_version_are_kept(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=new_database().get("PADA_DATABASE_URL", ""))
    engine = make_engine(settings.database)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade_to, "0001")
            await connection.execute(text("INSERT INTO datasets VALUES ('d', 'o', 'rows', 1.0, '{}')"))
            await connection.execute(
                text(
                    "INSERT INTO runs (id, owner, created, config, dataset, status, reason, view, token, last_event) "
                    "VALUES ('r', 'o', 2.0, '{}', 'd', 'queued', '', '{}', 0, 0)"
                )
            )
        await upgrade(engine)
        async with make_sessions(engine)() as session:
            row = await dataset_repository.get_by_id(session, "d", "o")
            run = await run_repository.get_by_id(session, "r", "o")
        assert row
        assert (row.name, row.purpose, row.source) == ("rows", None, None)
        assert run
        assert (run.dataset, run.job) == ("d", None)
    finally:
        await engine.dispose()


def test_the_latest_migration_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", "app:db/migrations")
    assert latest() == ScriptDirectory.from_config(config).get_current_head()


async def test_a_database_of_this_version_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, database_url=new_database().get("PADA_DATABASE_URL", ""))
    engine = make_engine(settings.database)
    try:
        await upgrade(engine)
        monkeypatch.setitem(sys.modules, "alembic", None)
        await upgrade(engine)
    finally:
        await engine.dispose()


async def test_the_migrations_make_the_tables_of_the_models(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=new_database().get("PADA_DATABASE_URL", ""))
    engine = make_engine(settings.database)
    try:
        await upgrade(engine)
        async with engine.connect() as connection:
            differing = await connection.run_sync(
                lambda sync: compare_metadata(
                    MigrationContext.configure(sync, opts={"compare_type": False}), Base.metadata
                )
            )
        assert differing == []
    finally:
        await engine.dispose()
