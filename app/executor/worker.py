"""One run or comparison in a process of its own: `python -m app.executor.worker RUN TOKEN`, started by the supervisor.

The worker owns the run as long as it holds the lease. On SIGTERM it requeues the run. It dies with its supervisor,
and the trainer dies with it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import sys
import time
from functools import partial
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError

from app import logs
from app.config.run_config import RunConfig
from app.config.teacher_network import teacher_network
from app.db import leases as lease_repository
from app.db import runs as run_repository
from app.db.checkpoints import DatabaseAway
from app.db.engine import AWAY, Sessions, make_engine, make_sessions
from app.db.leases import Lease, RunEnd
from app.db.models import Run
from app.db.run_summary import RunSummary
from app.engine.events import Listener, RunStatusChanged
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from app.errors import ConfigError, PadaError
from app.executor.comparison import compare, folders_of, worked_before
from app.executor.events import RETRY_SECONDS
from app.executor.heartbeat import LeaseHeartbeat
from app.executor.leased_run import LeasedRunStore
from app.executor.limits import watch_limits
from app.launchers.ray import end_job
from app.settings import Settings
from app.telemetry import trace_run
from graphs.errors import LoopError, MachineBlocked, machine_blocked
from trainer.data_files import DataError
from trainer.fencing import Superseded

log = logging.getLogger("pada.worker")


STOPPED = {
    "cancel": RunEnd("cancelled", "It was cancelled."),
    "pause": RunEnd("paused", "It was paused.", "user"),
    "drain": RunEnd("queued", "Its process was asked to stop; the next one goes on."),
}
"""What becomes of a run whose worker stops early. A worker that has lost the lease says nothing."""
AWAY_MEANWHILE = RunEnd("queued", "The database went away; another process goes on.")


class Worker:
    """Works on one run as long as the lease holds; `listen` receives the run's events."""

    def __init__(self, settings: Settings, sessions: Sessions, lease: Lease, listen: Listener):
        self._settings, self._sessions, self._lease, self._listen = settings, sessions, lease, listen
        self._root = settings.runs / lease.run
        self._why: str | None = None
        self._over: RunEnd | None = None

    async def work(self) -> None:
        """Run to the end or to a pause, and release the run with its new status."""
        loop, work = asyncio.get_running_loop(), asyncio.create_task(self._run())

        def stop(why: str) -> None:
            loop.call_soon_threadsafe(self._stop, work, why)

        loop.add_signal_handler(signal.SIGTERM, stop, "drain")
        with LeaseHeartbeat(self._settings, self._lease, stop, lambda: stop("lost")):
            end = await self._end_of(work)
            if end and self._why:
                for folder in folders_of(self._root):
                    await end_job(self._settings, folder)
        if end:
            self._listen(RunStatusChanged(status=end.status))
            await self._release(end)

    async def _release(self, end: RunEnd) -> None:
        """Set the run's new status; while the database is away, try again until the lease has lapsed anyway."""
        deadline = time.monotonic() + self._settings.lease_seconds
        while True:
            try:
                async with self._sessions.begin() as session:
                    await lease_repository.release(session, self._lease, end)
                return
            except AWAY:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(RETRY_SECONDS)

    async def _run(self) -> RunEnd:
        async with self._sessions() as session:
            run = await run_repository.get_by_id(session, self._lease.run, None)
        if run is None:
            raise RuntimeError(f"There is no run {self._lease.run} in the database.")
        if run.comparison is not None:
            self._root = self._settings.own_comparisons / run.id
        self._root.mkdir(parents=True, exist_ok=True)
        summary = RunSummary.read(run.view)
        store = LeasedRunStore(self._sessions, self._settings.database, self._lease, self._root, summary)
        stop = partial(self._stop_over, asyncio.current_task())
        compares = run.comparison is not None
        worked = worked_before(self._root) if compares else sum(summary.stage_seconds.values())
        count = len(run.config["methods"]) * len(run.config["compare"]["seeds"]) if compares else 1
        watch = asyncio.create_task(watch_limits(self._settings, self._root, worked, stop, runs=count))
        try:
            return await self._work(run, store)
        finally:
            watch.cancel()

    async def _work(self, run: Run, store: LeasedRunStore) -> RunEnd:
        """To the end or to a pause."""
        network = teacher_network(self._settings)
        if run.comparison is not None:
            return await compare(run, self._root, store, network)
        config = RunConfig.model_validate(run.config)
        runner = Runner(config, self._root, self._listen, RunOptions(store, network=network))
        report = await runner.run(answer=run.answer, finish=False)
        return RunEnd(report.status, report.stopped, report.waiting_for)

    async def _end_of(self, work: asyncio.Task[RunEnd]) -> RunEnd | None:
        """What becomes of the run; None when another process has taken it over."""
        try:
            return await work
        except asyncio.CancelledError:
            return self._over if self._why == "over" else STOPPED.get(self._why or "")
        except Superseded:
            return None
        except (DatabaseAway, OperationalError, InterfaceError) as error:
            log.warning("The database went away: %s", error)
            return AWAY_MEANWHILE
        except (LoopError, MachineBlocked, DataError, PadaError, OSError, sqlite3.Error) as error:
            pause = machine_blocked(error)
            return RunEnd("paused", str(pause), pause.waiting_for) if pause else RunEnd("failed", str(error))
        except Exception as error:
            log.exception("The run failed.")
            kind = type(error).__name__
            return RunEnd("failed", f"An error of the program: {kind}. The log has the details.")

    def _stop_over(self, work: asyncio.Task[Any] | None, end: RunEnd) -> None:
        """Stop a run that is over a limit of the service."""
        if work is not None:
            self._over = end
            self._stop(work, "over")

    def _stop(self, work: asyncio.Task[RunEnd], why: str) -> None:
        if self._why is None or why == "lost":
            self._why = why
            work.cancel()


async def main(arguments: list[str]) -> None:
    """Work on the run that the supervisor has claimed."""
    name, token = arguments
    settings = Settings()
    logs.install(settings.log_level)
    logs.run_id.set(name)
    engine = make_engine(settings.database)
    try:
        with trace_run(name) as listen:
            await Worker(settings, make_sessions(engine), Lease(name, int(token)), listen).work()
    finally:
        await engine.dispose()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except ConfigError as error:
        sys.exit(f"pada: {error}")
