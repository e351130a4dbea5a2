"""The SQLite file of a ledger: its tables, its connections, and transactions that are on disk when they end."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_random

from graphs.errors import LoopError

RESERVE_BYTES = 4 << 20
"""Room on the disk that is kept for answers that are on their way."""
_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, role TEXT NOT NULL, model TEXT NOT NULL, answer TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL NOT NULL, time REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, role TEXT NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL,
    began REAL NOT NULL, ended REAL, outcome TEXT NOT NULL DEFAULT 'open',
    calls INTEGER NOT NULL DEFAULT 0, prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0, usd REAL NOT NULL DEFAULT 0,
    held_tokens INTEGER NOT NULL, held_usd REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_by_run ON attempts (run, began);
CREATE TABLE IF NOT EXISTS accounts (
    run TEXT NOT NULL, role TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0, prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0, usd REAL NOT NULL DEFAULT 0,
    repeated INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0,
    held_calls INTEGER NOT NULL DEFAULT 0, held_tokens INTEGER NOT NULL DEFAULT 0, held_usd REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (run, role)
);
CREATE TABLE IF NOT EXISTS fences (run TEXT PRIMARY KEY, token INTEGER NOT NULL);
"""


def holds_attempts(path: Path) -> bool:
    """Whether a ledger has recorded a request; False where there is no file."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT EXISTS (SELECT 1 FROM attempts)").fetchone()
    return bool(found[0])


class LedgerFile:
    """One connection that writes and one that reads. Several processes may have the file open.

    Raises:
        LoopError: the file cannot be opened or written, with its name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open()
            self._reader = self._connect()
        self._reserve = self._set_aside(RESERVE_BYTES)

    def use_reserve(self, error: LoopError) -> bool:
        """Give back the room that was set aside, if an error says that the disk is full; whether to try again.

        New requests stop then, and the answers of those that are already paid for can still be recorded.
        """
        name = getattr(error.__cause__, "sqlite_errorname", "")
        if not str(name).startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return False
        # several answers may have met the full disk before the first of them comes here
        if self._reserve is not None:
            self._reserve.close()
            self._reserve = None
        return True

    def _set_aside(self, size: int) -> IO[bytes] | None:
        try:
            # without a name: it is gone with this process, however that ends
            reserve = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115
        except OSError:
            return None
        with suppress(OSError):
            os.posix_fallocate(reserve.fileno(), 0, size)
        return reserve

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes; committed at the end, or rolled back after an error."""
        with self._errors():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def read(self, query: str, *parameters: Any) -> list[Any]:
        """The rows of a query, as last committed."""
        with self._errors():
            return self._reader.execute(query, parameters).fetchall()

    def close(self) -> None:
        """Closes both connections."""
        if self._reserve:
            self._reserve.close()
        self._reader.close()
        self._writer.close()

    @retry(
        retry=retry_if_exception_message(match=r".*locked"),
        wait=wait_random(0.01, 0.1),
        stop=stop_after_delay(30),
        reraise=True,
    )
    def _open(self) -> sqlite3.Connection:
        # two processes may make the file at once, and the change to WAL does not wait for a lock as writes do
        connection = self._connect()
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        # an answer costs money: when it counts as recorded, it must be on disk, not only in the system's cache
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise LoopError(
                f"The ledger {self.path} has format {version}; this program reads format {_VERSION}."
            )
        connection.executescript(_TABLES)
        connection.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LoopError(
                f"The ledger {self.path} cannot be used: {error}. Check that the disk has room, and that the file is a "
                "ledger of this program and writable; then start again with the same output folder."
            ) from error
