"""The graph's checkpoints of a run of the service. A trigger refuses every write with an older fencing token than the
run's, in the same statement."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.engine.run_store import Saver, open_checkpoints, strict_serializer
from graphs.errors import MachineBlocked
from graphs.run_paths import RunPaths
from trainer.fencing import Superseded

if TYPE_CHECKING:  # an extra of PostgreSQL
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg import AsyncConnection

POSTGRES_FENCE = """
CREATE OR REPLACE FUNCTION pada_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT token FROM runs WHERE id = NEW.thread_id) > current_setting('pada.token')::bigint THEN
        RAISE EXCEPTION 'superseded';
    END IF;
    RETURN NEW;
END $$;
"""
SQLITE_OWNER = """
CREATE TABLE IF NOT EXISTS owners (token INTEGER PRIMARY KEY);
INSERT OR IGNORE INTO owners VALUES ({token});
"""
SQLITE_FENCE = """
CREATE TEMP TRIGGER fence_{table} BEFORE INSERT ON main.{table}
WHEN (SELECT max(token) FROM main.owners) > {token}
BEGIN SELECT RAISE(ABORT, 'superseded'); END;
"""
SQLITE_FENCED = ("checkpoints", "writes")
POSTGRES_FENCED = ("checkpoints", "checkpoint_writes", "checkpoint_blobs")
NO_ROOM = "53"
"""SQLSTATE class of a PostgreSQL server without disk, memory or connections."""
POSTGRES_LOCK = 823471
"""Of the advisory locks; `app.db.migrate` has another one."""


class DatabaseAway(Exception):  # noqa: N818 - it is not an error of the run
    """The database with the checkpoints does not answer; the run goes on from its last checkpoint once it does."""


@asynccontextmanager
async def fenced_checkpoints(paths: RunPaths, token: int) -> AsyncIterator[Saver]:
    """The run's checkpoints in an SQLite file of its folder.

    Raises:
        Superseded: a write came after another process had taken the run over.
    """
    async with open_checkpoints(paths) as saver:
        await saver.conn.executescript(sqlite_fence(token))
        try:
            yield saver
        except sqlite3.IntegrityError as error:
            if "superseded" in str(error):
                raise Superseded(f"{paths.root}: the run was taken over by another process.") from None
            raise


def sqlite_fence(token: int) -> str:
    """Statements that make `token` the owner, and let this connection write only as long as it is.

    The trigger belongs to the connection, because other connections may write under another token. The token is put
    into the text because such statements take no parameters; it is an integer.
    """
    return SQLITE_OWNER.format(token=token) + "".join(
        SQLITE_FENCE.format(token=token, table=table) for table in SQLITE_FENCED
    )


@asynccontextmanager
async def postgres_checkpoints(database: str, token: int) -> AsyncIterator[Saver]:
    """Checkpoints of all runs in PostgreSQL; the trigger compares the connection's token with the run's.

    Raises:
        Superseded: a write came after another process had taken the run over.
        DatabaseAway: the server does not answer any more.
        MachineBlocked: the server has no room.
    """
    import psycopg
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.rows import dict_row

    url = database.replace("+psycopg", "")
    try:
        async with await psycopg.AsyncConnection.connect(
            url,
            autocommit=True,
            prepare_threshold=0,
            row_factory=dict_row,
            options=f"-c pada.token={token}",
        ) as connection:
            saver = AsyncPostgresSaver(connection, serde=strict_serializer())
            await prepare_postgres(connection, saver)
            yield saver
    except psycopg.errors.RaiseException as error:
        if "superseded" in str(error):
            raise Superseded("The run was taken over by another process.") from None
        raise
    except psycopg.OperationalError as error:
        if (error.sqlstate or "").startswith(NO_ROOM):
            raise MachineBlocked(
                f"The database has no room: {error}. Give it some, and resume the run."
            ) from error
        raise DatabaseAway(str(error)) from error


async def prepare_postgres(connection: AsyncConnection, saver: AsyncPostgresSaver) -> None:
    """Make the tables and their fence, one process at a time."""
    # a lock of the session: the saver makes its indexes outside of transactions
    await connection.execute(f"SELECT pg_advisory_lock({POSTGRES_LOCK})")
    try:
        await saver.setup()
        await connection.execute(POSTGRES_FENCE)
        for table in POSTGRES_FENCED:
            await connection.execute(
                f"CREATE OR REPLACE TRIGGER pada_fence BEFORE INSERT OR UPDATE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION pada_fence()"
            )
    finally:
        await connection.execute(f"SELECT pg_advisory_unlock({POSTGRES_LOCK})")
