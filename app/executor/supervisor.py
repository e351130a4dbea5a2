"""Claims runs and starts a worker process for each: the part of the executor that lives in the API process.

Any number of supervisors may share a database. Each takes the oldest run that waits, or whose owner has let its lease
lapse, as long as it has room.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Self

from sqlalchemy.exc import OperationalError

from app.db import runs as run_repository
from app.db.engine import Sessions
from app.launchers.processes import Process, dying_with_me
from app.settings import Settings

log = logging.getLogger("pada.supervisor")

KILL_SECONDS = 2.0
"""What a killed worker's end, and giving its run back, may take."""


class Supervisor:
    """`async with Supervisor(settings, sessions)`: works on runs until it is left; then it drains."""

    def __init__(self, settings: Settings, sessions: Sessions):
        self._settings, self._sessions = settings, sessions
        self._holder = str(Process.find(os.getpid()))
        self._workers: dict[asyncio.Task[None], asyncio.subprocess.Process] = {}
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._claim_for_ever())
        return self

    async def __aexit__(self, *_: object) -> None:
        """No new work; workers give their runs back and end, within `drain_seconds`."""
        assert self._loop
        self._loop.cancel()
        with suppress(asyncio.CancelledError):
            await self._loop
        for child in self._workers.values():
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
        await self._wait(self._settings.drain_seconds)
        for child in self._workers.values():
            with suppress(ProcessLookupError):
                child.kill()
        await self._wait(KILL_SECONDS)

    async def _wait(self, seconds: float) -> None:
        if self._workers:
            await asyncio.wait(list(self._workers), timeout=seconds)

    async def _claim_for_ever(self) -> None:
        buried = False
        while True:
            try:
                buried = buried or await self._release_dead()
                while len(self._workers) < self._settings.max_running and await self._claim():
                    pass
            except OperationalError as error:
                log.warning("The database does not answer: %s", error.orig)
            await asyncio.sleep(self._settings.poll_seconds)

    async def _release_dead(self) -> bool:
        """At the start, let go of runs whose service has died on this machine: their leases need not lapse."""
        async with self._sessions.begin() as session:
            for holder in await run_repository.get_lease_holders(session):
                process = Process.parse(holder)
                if process and process.is_gone:
                    await run_repository.expire_leases(session, holder)
        return True

    async def _claim(self) -> bool:
        """Start a worker for the next run, if there is one."""
        async with self._sessions.begin() as session:
            run = await run_repository.claim_next(session, self._holder, self._settings.lease_seconds)
            claimed = (run.id, run.token) if run else None
        if claimed is None:
            return False
        name, token = claimed
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.executor.worker", name, str(token)),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=dying_with_me(),
            env=os.environ | self._settings.environment() | {"LANGGRAPH_STRICT_MSGPACK": "true"},
        )
        task = asyncio.create_task(self._await(child, name, token))
        self._workers[task] = child
        task.add_done_callback(lambda done: self._workers.pop(done, None))
        return True

    async def _await(self, child: asyncio.subprocess.Process, name: str, token: int) -> None:
        code = await child.wait()
        if code == 0:
            return
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        log.error("The worker of run %s %s.", name, ended)
        try:
            async with self._sessions.begin() as session:
                await run_repository.requeue(session, name, token, ended)
        except OperationalError:
            log.warning("The database does not answer: the run goes on when its lease has lapsed.")
