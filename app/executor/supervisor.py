"""Claims runs and starts a worker process for each. It is the part of the executor that runs in the API process.

Any number of supervisors may share a database. As long as it has room, each claims the oldest run that is queued or
whose lease has lapsed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from typing import Self

from app.db import leases as lease_repository
from app.db.engine import AWAY, Sessions, now
from app.db.leases import Lease, RunEnd
from app.executor.clock import ClockWatch
from app.launchers.processes import Process, python_module, start_child
from app.settings import Settings

log = logging.getLogger("pada.supervisor")

KILL_SECONDS = 2.0
"""How long a killed worker may take to end, and its run to be requeued."""


class Supervisor:
    """`async with Supervisor(settings, sessions)`: works on runs until the block ends; then it drains."""

    def __init__(self, settings: Settings, sessions: Sessions):
        self._settings, self._sessions = settings, sessions
        self._holder = str(Process.find(os.getpid()))
        self._workers: dict[asyncio.Task[None], asyncio.subprocess.Process] = {}
        self._loop: asyncio.Task[None] | None = None
        self._clock = ClockWatch(settings.lease_seconds)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._claim_for_ever())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Claims no more runs; the workers requeue their runs and end, within `drain_seconds`."""
        if self._loop:
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
        released = False
        while True:
            try:
                released = released or await self._release_dead()
                while len(self._workers) < self._settings.max_running and await self._claim():
                    pass
            except AWAY as error:
                log.warning("The database does not answer: %s", error)
            await asyncio.sleep(self._settings.poll_seconds)

    async def _release_dead(self) -> bool:
        """At the start, release the runs of services that have died on this machine; their leases need not lapse."""
        async with self._sessions.begin() as session:
            for holder in await lease_repository.get_lease_holders(session):
                process = Process.parse(holder)
                if process and process.is_gone:
                    await lease_repository.expire_leases(session, holder)
        return True

    async def _claim(self) -> bool:
        """Start a worker for the next run; false when there is none."""
        seconds = self._settings.lease_seconds
        async with self._sessions.begin() as session:
            trusted = self._clock.trusts(await now(session))
            lease = await lease_repository.claim_next(session, self._holder, seconds, lapsed=trusted)
        if lease is None:
            return False
        try:
            child = await start_child(
                python_module("app.executor.worker", lease.run, str(lease.token)),
                variables=self._settings.environment() | {"LANGGRAPH_STRICT_MSGPACK": "true"},
            )
        except OSError as error:
            await self._pause(lease, error)
            return False
        task = asyncio.create_task(self._wait_for_worker(child, lease))
        self._workers[task] = child
        task.add_done_callback(lambda done: self._workers.pop(done, None))
        return True

    async def _pause(self, lease: Lease, error: OSError) -> None:
        """No worker can be started for a run, for example because too many files are open."""
        log.error("No worker can be started for run %s: %s", lease.run, error)
        reason = f"No process could be started for it: {error.strerror or error}. Look after this machine, and resume the run."
        async with self._sessions.begin() as session:
            await lease_repository.release(session, lease, RunEnd("paused", reason, "machine"))

    async def _wait_for_worker(self, child: asyncio.subprocess.Process, lease: Lease) -> None:
        code = await child.wait()
        if code == 0:
            return
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        log.error("The worker of run %s %s.", lease.run, ended)
        try:
            async with self._sessions.begin() as session:
                await lease_repository.requeue(session, lease, ended)
        except AWAY:
            log.warning("The database does not answer: the run goes on when its lease has lapsed.")
