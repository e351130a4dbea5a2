"""Every answer and every paid attempt, in one SQLite file: nothing is paid for twice, and caps outlive a kill.

`answers` maps a request's content to its answer. `attempts` has a row for each request sent: written before it is sent,
with an upper bound of its cost as a *hold*, and settled afterwards. A hold that is never settled (the process was
killed, the call timed out) stays: it may have been billed. `accounts` holds the running sums by run and role, so that a
cap is checked and a hold is written in one transaction, over any number of tasks and processes. `fences` holds the token
of a run's owner; writes of earlier owners are refused.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_random

from graphs.errors import LoopError
from graphs.teacher.cost import Cost, SpendPoint
from trainer.fencing import Superseded

P = ParamSpec("P")
T = TypeVar("T")

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


@dataclass(frozen=True)
class Charge:
    """What calls cost, or may cost at most."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Committed:
    """What a run has spent and holds; a cap is compared with this."""

    calls: int
    tokens: int
    usd: float


class Ledger:
    """The ledger of one run; the file may be shared by several runs and processes.

    Writes happen on one thread, off the event loop, and are on disk (`synchronous=FULL`) when they return.

    Args:
        token: the run's owner, where it may go from one process to another; see `trainer.fencing.Fence`.

    Raises:
        LoopError: the file cannot be opened or written, with its name.
        Superseded: the run has a later owner.
    """

    def __init__(self, path: Path, run_id: str, token: int = 0) -> None:
        self.path, self.run_id, self._token = path, run_id, token
        self._repeats: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open()
            self._reader = self._connect()
            with self._transaction():
                self._take()

    def recall(self, key: str, role: str) -> str | None:
        """The recorded answer to a request, counted as repeated; None when there is none."""
        with self._errors():
            row = self._reader.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        self.repeat(role)
        return str(row[0])

    def repeat(self, role: str) -> None:
        """Counts an answer that is given without a new call; written with the next settlement or at the end."""
        with self._lock:
            self._repeats[role] += 1

    async def hold(
        self, role: str, key: str, model: str, bound: Charge, fits: Callable[[Committed], bool]
    ) -> int | Committed:
        """Writes a hold for an attempt, when `fits` allows it; returns its id, else what is committed already."""
        return await self._write(self._hold, role, key, model, bound, fits)

    async def finalize(
        self, attempt: int, outcome: str, charge: Charge | None, answer: str | None = None
    ) -> None:
        """Ends an attempt.

        Args:
            attempt: what `hold` returned.
            outcome: `answered`, or the kind of fault.
            charge: what it cost; None keeps the hold, for an attempt that may have been billed.
            answer: the usable answer, if there is one.
        """
        await self._write(self._finalize, attempt, outcome, charge, answer)

    def totals(self) -> Cost:
        """What this run paid, over all its starts."""
        rows = self._read(
            "SELECT role, calls, prompt_tokens, completion_tokens, usd, repeated, retries"
            " FROM accounts WHERE run = ? ORDER BY role"
        )
        sums = [sum(row[i] for row in rows) for i in range(1, 7)]
        names = ("calls", "prompt_tokens", "completion_tokens", "usd")
        by_role = {row[0]: dict(zip(names, map(float, row[1:5]), strict=True)) for row in rows}
        calls, prompt, completion, usd, repeated, retries = sums
        return Cost(
            calls=calls,
            prompt_tokens=prompt,
            completion_tokens=completion,
            usd=usd,
            repeated=repeated + self._repeats.total(),
            retries=retries,
            by_role=by_role,
        )

    def spending(self, points: int = 300) -> list[SpendPoint]:
        """Cumulative spending over time, thinned to about `points`, the last one kept."""
        rows = self._read(
            "SELECT ended - (SELECT min(began) FROM attempts WHERE run = ?1), sum(usd) OVER w,"
            " sum(prompt_tokens + completion_tokens) OVER w, sum(calls) OVER w"
            " FROM attempts WHERE run = ?1 AND calls > 0 WINDOW w AS (ORDER BY ended, id) ORDER BY ended, id"
        )
        step = max(1, -(-len(rows) // points))
        kept = rows[::-1][::step][::-1]
        return [SpendPoint(seconds=s, usd=usd, tokens=tokens, calls=calls) for s, usd, tokens, calls in kept]

    def close(self) -> None:
        """Waits for the last write and closes the file."""
        self._thread.shutdown(wait=True)
        try:
            if self._repeats:
                with self._errors(), self._transaction():
                    self._check()
                    self._write_repeats()
        finally:
            self._reader.close()
            self._writer.close()

    async def _write(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def job() -> T:
            with self._errors(), self._transaction():
                self._check()
                return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def _read(self, query: str) -> list[Any]:
        with self._errors():
            return self._reader.execute(query, (self.run_id,)).fetchall()

    def _write_repeats(self) -> None:
        with self._lock:
            repeats, self._repeats = self._repeats, Counter()
        for role, count in repeats.items():
            self._open_account(role)
            self._writer.execute(
                "UPDATE accounts SET repeated = repeated + ? WHERE run = ? AND role = ?",
                (count, self.run_id, role),
            )

    def _hold(
        self, role: str, key: str, model: str, bound: Charge, fits: Callable[[Committed], bool]
    ) -> int | Committed:
        row = self._writer.execute(
            "SELECT total(calls + held_calls), total(prompt_tokens + completion_tokens + held_tokens),"
            " total(usd + held_usd) FROM accounts WHERE run = ?",
            (self.run_id,),
        ).fetchone()
        committed = Committed(int(row[0]), int(row[1]), row[2])
        if not fits(committed):
            return committed
        self._open_account(role)
        self._writer.execute(
            "UPDATE accounts SET held_calls = held_calls + 1, held_tokens = held_tokens + ?,"
            " held_usd = held_usd + ? WHERE run = ? AND role = ?",
            (bound.tokens, bound.usd, self.run_id, role),
        )
        attempt = self._writer.execute(
            "INSERT INTO attempts (run, role, key, model, began, held_tokens, held_usd)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (self.run_id, role, key, model, time.time(), bound.tokens, bound.usd),
        ).fetchone()
        return int(attempt[0])

    def _finalize(self, attempt: int, outcome: str, charge: Charge | None, answer: str | None) -> None:
        self._write_repeats()
        write, cost = self._writer.execute, charge or Charge()
        spent = (cost.calls, cost.prompt_tokens, cost.completion_tokens, cost.usd)
        now = time.time()
        role, key, model, tokens, usd = write(
            "UPDATE attempts SET ended = ?, outcome = ?, calls = ?, prompt_tokens = ?, completion_tokens = ?, usd = ?"
            " WHERE id = ? RETURNING role, key, model, held_tokens, held_usd",
            (now, outcome, *spent, attempt),
        ).fetchone()
        write(
            "UPDATE accounts SET calls = calls + ?, prompt_tokens = prompt_tokens + ?,"
            " completion_tokens = completion_tokens + ?, usd = usd + ?, retries = retries + ?"
            " WHERE run = ? AND role = ?",
            (*spent, int(answer is None), self.run_id, role),
        )
        if charge is not None:
            write(
                "UPDATE accounts SET held_calls = held_calls - 1, held_tokens = held_tokens - ?,"
                " held_usd = max(0.0, held_usd - ?) WHERE run = ? AND role = ?",
                (tokens, usd, self.run_id, role),
            )
        if answer is not None:
            row = (key, role, model, answer, cost.prompt_tokens, cost.completion_tokens, cost.usd, now)
            write("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _take(self) -> None:
        self._writer.execute(
            "INSERT INTO fences VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET token = max(token, excluded.token)",
            (self.run_id, self._token),
        )
        self._check()

    def _check(self) -> None:
        row = self._writer.execute("SELECT token FROM fences WHERE run = ?", (self.run_id,)).fetchone()
        if row[0] > self._token:
            raise Superseded(f"{self.path}: the run was taken over by another process.")

    def _open_account(self, role: str) -> None:
        self._writer.execute("INSERT OR IGNORE INTO accounts (run, role) VALUES (?, ?)", (self.run_id, role))

    @retry(
        retry=retry_if_exception_message(match=r".*locked"),
        wait=wait_random(0.01, 0.1),
        stop=stop_after_delay(30),
        reraise=True,
    )
    def _open(self) -> sqlite3.Connection:
        # two processes that make the file at once: the change to WAL does not wait for its lock as writes do
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
        # an answer costs money: it must be on disk, not only handed to the system, when it counts as recorded
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
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LoopError(
                f"The ledger {self.path} cannot be used: {error}. See that the disk has room and the file is a ledger of"
                " this program and writable; then start again with the same output folder."
            ) from error
