"""A run's events in the service's database, in order and without a gap, whoever works on the run."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Self

from sqlalchemy.exc import OperationalError

from app.db import runs as repository
from app.db.engine import Sessions
from app.db.run_progress import View, fold
from app.engine.events import Event, Listener, stage_seconds
from trainer.fencing import Superseded

RETRY_SECONDS = 1.0


class DatabaseEvents:
    """Takes events at once and writes them behind, many in one transaction, which the fencing token guards.

    Args:
        token: the owner's; the first write under a later one ends this.
    """

    def __init__(self, sessions: Sessions, run: str, token: int, view: View, listen: Listener):
        self._sessions, self._run, self._token, self._listen = sessions, run, token, listen
        self._view = view
        self._waiting: list[Event] = []
        self._stages: list[Event] = []
        self._news = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    async def __aenter__(self) -> Self:
        async with self._sessions() as session:
            earlier = await repository.stage_events(session, self._run)
        self._stages = [{"type": event.type, **event.data} for event in earlier]
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Raises Superseded when the run went to another process."""
        self._closing = True
        self._news.set()
        assert self._writer
        await self._writer

    def emit(self, type_: str, **fields: Any) -> None:
        """See `app.engine.events.Events`. Of the run's status the service tells itself, together with the change.

        Raises:
            Superseded: an earlier event was refused.
        """
        if type_ == "run":
            return
        if self._writer and self._writer.done():
            self._writer.result()
        event = {"time": round(time.time(), 3), "type": type_, **fields}
        if type_ == "stage":
            self._stages.append(event)
        self._waiting.append(event)
        self._news.set()
        self._listen(event)

    def stage_seconds(self) -> dict[str, float]:
        """See `app.engine.events.Events`."""
        return stage_seconds(self._stages)

    async def _write(self) -> None:
        while self._waiting or not self._closing:
            await self._news.wait()
            self._news.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._keep(batch)

    async def _keep(self, batch: list[Event]) -> None:
        for event in batch:
            self._view = fold(self._view, event)
        while True:
            try:
                async with self._sessions.begin() as session:
                    own = await repository.append_events(session, self._run, self._token, batch, self._view)
                break
            except OperationalError:
                # the database is away for a moment; if it stays away, the lease ends this process
                await asyncio.sleep(RETRY_SECONDS)
        if not own:
            raise Superseded(f"The run {self._run} was taken over by another process.")
