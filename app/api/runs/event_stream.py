"""Events to any number of readers: the database is asked once for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app.db import runs as run_repository
from app.db.engine import Sessions
from app.db.models import Run
from app.engine.events import Event
from app.engine.run_status import ENDED

PAGE = 500
"""Events read at once, and kept of each run that somebody reads."""


@dataclass
class RunSubscription:
    """The newest events of one run that has readers."""

    run: str
    last: int
    """Id of the newest event that is known here."""
    over: bool = False
    """Whether no more events will come."""
    readers: int = 0
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=PAGE))
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class EventBroadcaster:
    """`async with EventBroadcaster(sessions, seconds)`: watches the runs that have readers, every so many seconds."""

    def __init__(self, sessions: Sessions, seconds: float):
        self._sessions, self._seconds = sessions, seconds
        self._subscriptions: dict[str, RunSubscription] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> EventBroadcaster:
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watcher
        self._watcher.cancel()
        with suppress(asyncio.CancelledError):
            await self._watcher

    async def read(self, subscription: RunSubscription, last: int) -> AsyncIterator[Event]:
        """The events behind `last`, as they come; ends when the run has ended and all is told."""
        while True:
            for event in await self._after(subscription, last):
                yield event
                last = event.id
            if last >= subscription.last:
                if subscription.over:
                    return
                await self._news(subscription, last)

    async def _news(self, subscription: RunSubscription, last: int) -> None:
        """Wait until there are events behind `last`, or there will be none."""
        async with subscription.changed:
            await subscription.changed.wait_for(lambda: subscription.last > last or subscription.over)

    async def _after(self, subscription: RunSubscription, last: int) -> Sequence[Event]:
        """From memory where that reaches back far enough."""
        if subscription.events and subscription.events[0].id <= last + 1:
            return [event for event in subscription.events if event.id > last]
        # a reader that goes away cancels this, and a query that is cancelled costs its connection
        return await asyncio.shield(self._page(subscription.run, last))

    async def _page(self, run: str, last: int) -> Sequence[Event]:
        async with self._sessions() as session:
            return await run_repository.get_events_after(session, run, last, PAGE)

    @asynccontextmanager
    async def subscribe(self, run: str) -> AsyncIterator[RunSubscription]:
        """Watch a run for one reader."""
        subscription = self._subscriptions.get(run)
        if subscription is None:
            async with self._sessions() as session:
                found = await run_repository.get_by_id(session, run, None)
            assert found
            subscription = self._subscriptions.setdefault(
                run, RunSubscription(run, found.last_event, found.status in ENDED)
            )
        subscription.readers += 1
        try:
            yield subscription
        finally:
            subscription.readers -= 1
            if not subscription.readers and self._subscriptions.get(run) is subscription:
                del self._subscriptions[run]

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            with suppress(OperationalError):
                await self._look()

    async def _look(self) -> None:
        if not self._subscriptions:
            return
        async with self._sessions() as session:
            query = select(Run.id, Run.last_event, Run.status).where(Run.id.in_(list(self._subscriptions)))
            for name, last, status in (await session.execute(query)).all():
                subscription = self._subscriptions.get(name)
                if subscription is None or (
                    last == subscription.last and (status in ENDED) == subscription.over
                ):
                    continue
                found = await run_repository.get_events_after(session, name, subscription.last, PAGE)
                async with subscription.changed:
                    subscription.events.extend(found)
                    subscription.last = found[-1].id if found else subscription.last
                    subscription.over = status in ENDED and subscription.last >= last
                    subscription.changed.notify_all()
