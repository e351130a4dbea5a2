"""Every answer and every paid attempt, in one SQLite file: nothing is paid for twice, and caps outlive a kill.

`answers` maps a request's content to its answer. `attempts` has a row for each request: it is written before the
request is sent, with an upper bound of its cost as a *hold*, and finalized afterwards. A hold that is never finalized
(the process was killed, the call timed out) stays, because the request may have been billed. `accounts` has the running
sums by run and role. So one transaction compares a cap and writes a hold, with any number of tasks and processes.
`fences` has the token of a run's owner; writes of earlier owners are refused.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from graphs.errors import LoopError
from graphs.teacher.cost import Charge, Committed, Cost, SpendPoint
from graphs.teacher.ledger_file import LedgerFile
from trainer.fencing import Superseded

P = ParamSpec("P")
T = TypeVar("T")


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
        self._file = LedgerFile(path)
        try:
            with self._file.transaction() as connection:
                self._take(connection)
        except BaseException:
            self._file.close()
            raise

    def recall(self, key: str, role: str) -> str | None:
        """The recorded answer to a request, counted as repeated; None when there is none."""
        rows = self._file.read("SELECT answer FROM answers WHERE key = ?", key)
        if not rows:
            return None
        self.repeat(role)
        return str(rows[0][0])

    def repeat(self, role: str) -> None:
        """Counts an answer given without a new call. The count is written when a call is finalized, or at the end."""
        with self._lock:
            self._repeats[role] += 1

    async def hold(
        self, role: str, key: str, model: str, bound: Charge, fits: Callable[[Committed], bool]
    ) -> int | Committed:
        """Writes a hold for an attempt.

        Args:
            bound: the most that the attempt can cost.
            fits: whether the attempt is allowed, given what the run has committed so far.

        Returns:
            The hold's id, or what the run has committed, if the attempt is not allowed.
        """
        return await self._write(self._hold, role, key, model, bound, fits)

    async def finalize(
        self, hold_id: int, outcome: str, charge: Charge | None, answer: str | None = None
    ) -> None:
        """Ends an attempt.

        Args:
            hold_id: what `hold` returned.
            outcome: `answered`, or the kind of failure.
            charge: what it cost; None keeps the hold, for an attempt that may have been billed.
            answer: the usable answer, if there is one.

        Raises:
            LoopError: the disk is full. What is here was recorded all the same, if the reserve had room, but nothing more should
                be asked.
        """
        try:
            await self._write(self._finalize, hold_id, outcome, charge, answer)
        except LoopError as error:
            if self._file.use_reserve(error):
                await self._write(self._finalize, hold_id, outcome, charge, answer)
            raise

    def totals(self) -> Cost:
        """What this run has paid, over all its starts."""
        rows = self._file.read(
            "SELECT role, calls, prompt_tokens, completion_tokens, usd, repeated, retries"
            " FROM accounts WHERE run = ? ORDER BY role",
            self.run_id,
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
        """Cumulative spending over time, thinned to at most `points`. The last point is kept."""
        rows = self._file.read(
            # the clock may have been set back
            "SELECT max(0.0, ended - (SELECT min(began) FROM attempts WHERE run = ?1)), sum(usd) OVER w,"
            " sum(prompt_tokens + completion_tokens) OVER w, sum(calls) OVER w"
            " FROM attempts WHERE run = ?1 AND calls > 0 WINDOW w AS (ORDER BY ended, id) ORDER BY ended, id",
            self.run_id,
        )
        step = max(1, -(-len(rows) // points))
        kept = rows[::-1][::step][::-1]
        names = ("seconds", "usd", "tokens", "calls")
        return [SpendPoint(**dict(zip(names, row, strict=True))) for row in kept]

    def close(self) -> None:
        """Waits for the last write, and closes the file."""
        self._thread.shutdown(wait=True)
        try:
            if self._repeats:
                # a count of what cost nothing: a full disk must not end a run over it
                with suppress(LoopError), self._file.transaction() as connection:
                    self._check(connection)
                    self._write_repeats(connection)
        finally:
            self._file.close()

    async def _write(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do work in a transaction of the writing thread, if the run's owner is still this one."""

        def job() -> T:
            with self._file.transaction() as connection:
                self._check(connection)
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def _write_repeats(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            repeats, self._repeats = self._repeats, Counter()
        for role, count in repeats.items():
            self._open_account(connection, role)
            connection.execute(
                "UPDATE accounts SET repeated = repeated + ? WHERE run = ? AND role = ?",
                (count, self.run_id, role),
            )

    def _hold(
        self,
        connection: sqlite3.Connection,
        role: str,
        key: str,
        model: str,
        bound: Charge,
        fits: Callable[[Committed], bool],
    ) -> int | Committed:
        row = connection.execute(
            "SELECT total(calls + held_calls), total(prompt_tokens + completion_tokens + held_tokens),"
            " total(usd + held_usd) FROM accounts WHERE run = ?",
            (self.run_id,),
        ).fetchone()
        committed = Committed(int(row[0]), int(row[1]), row[2])
        if not fits(committed):
            return committed
        self._open_account(connection, role)
        connection.execute(
            "UPDATE accounts SET held_calls = held_calls + 1, held_tokens = held_tokens + ?,"
            " held_usd = held_usd + ? WHERE run = ? AND role = ?",
            (bound.tokens, bound.usd, self.run_id, role),
        )
        (hold_id,) = connection.execute(
            "INSERT INTO attempts (run, role, key, model, began, held_tokens, held_usd)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (self.run_id, role, key, model, time.time(), bound.tokens, bound.usd),
        ).fetchone()
        return int(hold_id)

    def _finalize(
        self,
        connection: sqlite3.Connection,
        hold_id: int,
        outcome: str,
        charge: Charge | None,
        answer: str | None,
    ) -> None:
        self._write_repeats(connection)
        write, cost = connection.execute, charge or Charge()
        spent = (cost.calls, cost.prompt_tokens, cost.completion_tokens, cost.usd)
        now = time.time()
        role, key, model, tokens, usd = write(
            "UPDATE attempts SET ended = ?, outcome = ?, calls = ?, prompt_tokens = ?, completion_tokens = ?, usd = ?"
            " WHERE id = ? RETURNING role, key, model, held_tokens, held_usd",
            (now, outcome, *spent, hold_id),
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

    def _take(self, connection: sqlite3.Connection) -> None:
        """Make this object's owner the run's owner, unless there is a later one."""
        connection.execute(
            "INSERT INTO fences VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET token = max(token, excluded.token)",
            (self.run_id, self._token),
        )
        self._check(connection)

    def _check(self, connection: sqlite3.Connection) -> None:
        query = "SELECT token FROM fences WHERE run = ?"
        (token,) = connection.execute(query, (self.run_id,)).fetchone()
        if token > self._token:
            raise Superseded(f"{self.path}: the run was taken over by another process.")

    def _open_account(self, connection: sqlite3.Connection, role: str) -> None:
        connection.execute("INSERT OR IGNORE INTO accounts (run, role) VALUES (?, ?)", (self.run_id, role))
