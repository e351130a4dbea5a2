"""One run in a process of its own: `python -m app.executor.worker RUN TOKEN`, started by the supervisor.

It owns the run as long as it keeps the lease. SIGTERM gives the run back to whoever works next. It dies with its
supervisor, and the trainer dies with it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from dataclasses import dataclass

from app import logs
from app.config.run_config import RunConfig
from app.db import runs as run_repository
from app.db.engine import Sessions, make_engine, make_sessions
from app.db.run_summary import RunSummary
from app.engine.events import Listener, RunStatusChanged
from app.engine.run_status import RunStatus
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from app.errors import PadaError
from app.executor.heartbeat import LeaseHeartbeat
from app.executor.leased_run import LeasedRunStore
from app.launchers.ray import end_job
from app.settings import Settings
from app.telemetry import trace_run
from graphs.errors import LoopError, Wait
from graphs.report import Report
from trainer.data_files import DataError
from trainer.fencing import Superseded

log = logging.getLogger("pada.worker")


@dataclass(frozen=True)
class End:
    """How a run leaves its worker."""

    status: RunStatus
    reason: str
    waiting_for: Wait | None = None


STOPPED = {
    "cancel": End("cancelled", "It was cancelled."),
    "pause": End("paused", "It was paused.", "user"),
    "drain": End("queued", "Its process was asked to stop; the next one goes on."),
}
"""Why a worker stops before its run has ended; one that has lost the lease has nothing to say any more."""


class Worker:
    """Works on one run as long as the lease holds; `listen` hears its events."""

    def __init__(self, settings: Settings, sessions: Sessions, run: str, token: int, listen: Listener):
        self._settings, self._sessions, self._listen = settings, sessions, listen
        self._run, self._token = run, token
        self._why: str | None = None

    async def work(self) -> None:
        """Run to the end or to a pause, and give the run up as what it has become."""
        loop, work = asyncio.get_running_loop(), asyncio.create_task(self._go())

        def stop(why: str) -> None:
            loop.call_soon_threadsafe(self._stop, work, why)

        loop.add_signal_handler(signal.SIGTERM, stop, "drain")
        with LeaseHeartbeat(self._settings, self._run, self._token, stop, lambda: stop("lost")):
            end = await self._end(work)
            if end and self._why:
                await end_job(self._settings, self._settings.runs / self._run)
        if end:
            self._listen(RunStatusChanged(status=end.status))
            async with self._sessions.begin() as session:
                await run_repository.release(
                    session, self._run, self._token, end.status, end.reason, end.waiting_for
                )

    async def _go(self) -> Report:
        async with self._sessions() as session:
            run = await run_repository.get_by_id(session, self._run, None)
        if run is None:
            raise RuntimeError(f"There is no run {self._run} in the database.")
        root = self._settings.runs / self._run
        root.mkdir(parents=True, exist_ok=True)
        store = LeasedRunStore(
            self._sessions,
            self._settings.database,
            self._run,
            self._token,
            root,
            RunSummary.read(run.view),
        )
        config = RunConfig.model_validate(run.config)
        runner = Runner(config, root, self._listen, RunOptions(store))
        return await runner.run(answer=run.answer, finish=False)

    async def _end(self, work: asyncio.Task[Report]) -> End | None:
        """What the run has become; None when it is another's."""
        try:
            report = await work
        except asyncio.CancelledError:
            return STOPPED.get(self._why or "")
        except Superseded:
            return None
        except (LoopError, DataError, PadaError, OSError) as error:
            return End("failed", str(error))
        except Exception as error:
            log.exception("The run failed.")
            return End("failed", f"An error of the program: {type(error).__name__}. The log has the details.")
        return End(report.status, report.stopped, report.waiting_for)

    def _stop(self, work: asyncio.Task[Report], why: str) -> None:
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
            await Worker(settings, make_sessions(engine), name, int(token), listen).work()
    finally:
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
