"""Events to any number of readers: the database is asked once for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app.db import runs as repository
from app.db.engine import Sessions
from app.db.models import Run
from app.engine.events import Event
from app.engine.run_status import ENDED

PAGE = 500
"""Events read at once, and kept of each run that somebody reads."""


@dataclass
class Tail:
    """The newest events of one run that has readers."""

    run: str
    last: int
    """Id of the newest event that is known here."""
    over: bool = False
    """Whether no more events will come."""
    readers: int = 0
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=PAGE))
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class Feed:
    """`async with Feed(sessions, seconds)`: watches the runs that have readers, every so many seconds."""

    def __init__(self, sessions: Sessions, seconds: float):
        self._sessions, self._seconds = sessions, seconds
        self._tails: dict[str, Tail] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Feed:
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watcher
        self._watcher.cancel()
        with suppress(asyncio.CancelledError):
            await self._watcher

    async def read(self, tail: Tail, last: int) -> AsyncIterator[Event]:
        """The events behind `last`, as they come; ends when the run has ended and all is told."""
        while True:
            for event in await self._after(tail, last):
                yield event
                last = event.id
            if last >= tail.last:
                if tail.over:
                    return
                await self._news(tail, last)

    async def _news(self, tail: Tail, last: int) -> None:
        """Wait until there are events behind `last`, or there will be none."""
        async with tail.changed:
            await tail.changed.wait_for(lambda: tail.last > last or tail.over)

    async def _after(self, tail: Tail, last: int) -> Sequence[Event]:
        """From memory where that reaches back far enough."""
        if tail.events and tail.events[0].id <= last + 1:
            return [event for event in tail.events if event.id > last]
        # a reader that goes away cancels this, and a query that is cancelled costs its connection
        return await asyncio.shield(self._page(tail.run, last))

    async def _page(self, run: str, last: int) -> Sequence[Event]:
        async with self._sessions() as session:
            return await repository.events_after(session, run, last, PAGE)

    @asynccontextmanager
    async def follow(self, run: str) -> AsyncIterator[Tail]:
        """Watch a run for one reader."""
        tail = self._tails.get(run)
        if tail is None:
            async with self._sessions() as session:
                found = await repository.get(session, run, None)
            assert found
            tail = self._tails.setdefault(run, Tail(run, found.last_event, found.status in ENDED))
        tail.readers += 1
        try:
            yield tail
        finally:
            tail.readers -= 1
            if not tail.readers and self._tails.get(run) is tail:
                del self._tails[run]

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            with suppress(OperationalError):
                await self._look()

    async def _look(self) -> None:
        if not self._tails:
            return
        async with self._sessions() as session:
            query = select(Run.id, Run.last_event, Run.status).where(Run.id.in_(list(self._tails)))
            for name, last, status in (await session.execute(query)).all():
                tail = self._tails.get(name)
                if tail is None or (last == tail.last and (status in ENDED) == tail.over):
                    continue
                found = await repository.events_after(session, name, tail.last, PAGE)
                async with tail.changed:
                    tail.events.extend(found)
                    tail.last = found[-1].id if found else tail.last
                    tail.over = status in ENDED and tail.last >= last
                    tail.changed.notify_all()
