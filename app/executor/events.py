"""A run's events in the service's database, in order and without a gap, whichever process works on the run."""

from __future__ import annotations

import asyncio
import time
from typing import Self

from app.db import leases as lease_repository
from app.db import run_events as event_repository
from app.db.engine import AWAY, Sessions
from app.db.leases import Lease
from app.db.run_summary import RunSummary, apply_event
from app.engine.events import Event, Listener, RunStatusChanged, StageDone, stage_seconds
from trainer.fencing import Superseded

RETRY_SECONDS = 1.0


class DatabaseEventLog:
    """Takes events at once, and writes them from a task of its own: many in one transaction, which the fencing token
    guards. See `app.engine.events.EventSink`.

    Args:
        lease: the first write under a later lease ends this.
        summary: what the run's events have added up to so far.
    """

    def __init__(self, sessions: Sessions, lease: Lease, summary: RunSummary, listen: Listener):
        self._sessions, self._lease, self._listen = sessions, lease, listen
        self._summary = summary
        self._waiting: list[Event] = []
        self._stages: list[StageDone] = []
        self._news = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    async def __aenter__(self) -> Self:
        async with self._sessions() as session:
            self._stages = await event_repository.get_events_of(session, self._lease.run, StageDone)
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Raises Superseded when the run went to another process."""
        self._closing = True
        self._news.set()
        if self._writer:
            await self._writer

    def emit(self, event: Event) -> None:
        """Take one event. Changes of the run's status are left out: the service stores them together with the change.

        Raises:
            Superseded: an earlier event was refused.
        """
        if isinstance(event, RunStatusChanged):
            return
        if self._writer and self._writer.done():
            self._writer.result()
        timed = event.model_copy(update={"time": round(time.time(), 3)})
        if isinstance(timed, StageDone):
            self._stages.append(timed)
        self._waiting.append(timed)
        self._news.set()
        self._listen(timed)

    def stage_seconds(self) -> dict[str, float]:
        """Wall time by stage, over all starts of the run."""
        return stage_seconds(self._stages)

    async def _write(self) -> None:
        while self._waiting or not self._closing:
            await self._news.wait()
            self._news.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._store(batch)

    async def _store(self, batch: list[Event]) -> None:
        for event in batch:
            self._summary = apply_event(self._summary, event)
        while True:
            try:
                async with self._sessions.begin() as session:
                    own = await lease_repository.append_events(session, self._lease, batch, self._summary)
                break
            except AWAY:
                # the lease lapses meanwhile: where another process has taken the run over by then, this one is refused
                await asyncio.sleep(RETRY_SECONDS)
        if not own:
            raise Superseded(f"The run {self._lease.run} was taken over by another process.")
