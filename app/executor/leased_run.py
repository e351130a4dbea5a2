"""A run of the service: owned by a lease with a fencing token, its events in the service's database."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from app.db.engine import Sessions
from app.db.run_summary import RunSummary
from app.engine.events import EventSink, Listener
from app.engine.run_store import Saver, open_checkpoints, strict_serializer
from app.executor.events import DatabaseEventLog
from graphs.run_paths import RunPaths
from trainer.fencing import Fence, Superseded, guard

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
FENCED = ("checkpoints", "writes")
POSTGRES_FENCED = ("checkpoints", "checkpoint_writes", "checkpoint_blobs")


class LeasedRunStore:
    """See `app.engine.run_store.RunStore`.

    Args:
        database: the service's, as a SQLAlchemy URL; PostgreSQL keeps the checkpoints too, else they are a file of the run.
        summary: what its events have added up to so far.
    """

    def __init__(
        self, sessions: Sessions, database: str, run: str, token: int, root: Path, summary: RunSummary
    ):
        self._sessions, self._database, self._summary = sessions, database, summary
        self.run_id, self._token = run, token
        self.fence = Fence(folder=root / "owners", token=token)

    @asynccontextmanager
    async def own(self, root: Path) -> AsyncIterator[RunPaths]:
        """The lease is held already; from here on every write looks at the fence."""
        self.fence.take()
        guard(self.fence)
        yield RunPaths(root)

    def events(self, paths: RunPaths, listen: Listener) -> EventSink:
        """See `RunStore`."""
        return DatabaseEventLog(self._sessions, self.run_id, self._token, self._summary, listen)

    def checkpoints(self, paths: RunPaths) -> AbstractAsyncContextManager[Saver]:
        """See `RunStore`; a write after the run went to another process raises Superseded."""
        if self._database.startswith("postgresql"):
            return postgres_checkpoints(self._database, self._token)
        return fenced_checkpoints(paths, self._token)


@asynccontextmanager
async def fenced_checkpoints(paths: RunPaths, token: int) -> AsyncIterator[Saver]:
    """The run's checkpoints in an SQLite file that refuses earlier owners in the same statement that writes."""
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

    A trigger of the connection's own, because others may write under another token. `token` is a number: statements of
    this kind take no parameters.
    """
    return SQLITE_OWNER.format(token=token) + "".join(
        SQLITE_FENCE.format(token=token, table=table) for table in FENCED
    )


@asynccontextmanager
async def postgres_checkpoints(database: str, token: int) -> AsyncIterator[Saver]:
    """Checkpoints of all runs in PostgreSQL; a trigger compares the connection's token with the run's."""
    import psycopg
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.rows import dict_row

    url = database.replace("+psycopg", "")
    async with await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        prepare_threshold=0,
        row_factory=dict_row,
        options=f"-c pada.token={token}",
    ) as connection:
        saver = AsyncPostgresSaver(connection, serde=strict_serializer())
        await prepare_postgres(connection, saver)
        try:
            yield saver
        except psycopg.errors.RaiseException as error:
            if "superseded" in str(error):
                raise Superseded("The run was taken over by another process.") from None
            raise


async def prepare_postgres(connection: object, saver: Saver) -> None:
    """Make the tables and their fence, one process at a time."""
    import psycopg

    assert isinstance(connection, psycopg.AsyncConnection)
    # a lock of the session: the saver makes its indexes outside of transactions
    await connection.execute("SELECT pg_advisory_lock(823471)")
    try:
        await saver.setup()  # type: ignore[attr-defined]
        await connection.execute(POSTGRES_FENCE)
        for table in POSTGRES_FENCED:
            await connection.execute(
                f"CREATE OR REPLACE TRIGGER pada_fence BEFORE INSERT OR UPDATE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION pada_fence()"
            )
    finally:
        await connection.execute("SELECT pg_advisory_unlock(823471)")
