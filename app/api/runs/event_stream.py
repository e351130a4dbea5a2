"""Events for any number of readers. One query serves all of them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic_core import to_jsonable_python

from app.db import run_events as event_repository
from app.db.engine import AWAY, Sessions
from app.db.run_events import EventPosition
from app.engine.events import Event
from app.errors import NotFound

LOOK_SECONDS = 0.2
"""Time between two looks for new events. One look is one small query for all runs with readers; longer pauses would also
wake all readers at once, and everybody else would wait for them."""
PAGE = 500
"""Events that one query reads, and that are kept in memory of each run with readers."""
SILENCE_SECONDS = 15.0
"""After so long without an event a reader gets a comment, so that no proxy closes the connection."""


@dataclass(frozen=True)
class EncodedEvent:
    """An event as readers get it. All readers of a run share it."""

    id: int
    text: bytes

    @classmethod
    def of(cls, event: Event) -> EncodedEvent:
        """Encode an event; numbers that JSON does not have are null."""
        data = {"id": event.id, "time": event.time, **event.data()}
        text = json.dumps(to_jsonable_python(data, inf_nan_mode="null"))
        return cls(event.id, format_sse_event(data_str=text, event=event.type, id=str(event.id)))


@dataclass
class RunSubscription:
    """The newest events of one run that has readers."""

    run: str
    last: int
    """Id of the newest event that is known here."""
    over: bool = False
    """Whether no more events will come."""
    readers: int = 0
    events: deque[EncodedEvent] = field(default_factory=lambda: deque(maxlen=PAGE))
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once there is something new; the next change has another."""

    def extend(self, events: Sequence[Event], position: EventPosition) -> None:
        """Take new events, and wake the readers.

        Args:
            position: the run's own, up to which there may be further events.
        """
        self.events.extend(map(EncodedEvent.of, events))
        self.last = events[-1].id if events else self.last
        self.over = position.over and self.last >= position.last
        self.changed.set()
        self.changed = asyncio.Event()


class EventBroadcaster:
    """`async with EventBroadcaster(sessions, seconds)`: polls the runs that have readers, every `seconds`."""

    def __init__(self, sessions: Sessions, seconds: float):
        self._sessions, self._seconds = sessions, seconds
        self._subscriptions: dict[str, RunSubscription] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> EventBroadcaster:
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watcher:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher

    async def read(self, subscription: RunSubscription, last: int) -> AsyncGenerator[bytes]:
        """The events after `last`, as they come, those that are there together; ends when the run has ended and all its
        events were sent."""
        while True:
            if last < subscription.last:
                events = await self._after(subscription, last)
                yield b"".join(event.text for event in events)
                last = events[-1].id
            elif subscription.over:
                return
            else:
                try:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        await subscription.changed.wait()
                except TimeoutError:
                    yield KEEPALIVE_COMMENT

    async def _after(self, subscription: RunSubscription, last: int) -> Sequence[EncodedEvent]:
        """Events after `last`: from memory if it reaches back far enough, otherwise from the database."""
        if subscription.events and subscription.events[0].id <= last + 1:
            return [event for event in subscription.events if event.id > last]
        # a reader that disconnects cancels this, and a cancelled query would lose its connection
        return await asyncio.shield(self._page(subscription.run, last))

    async def _page(self, run: str, last: int) -> Sequence[EncodedEvent]:
        async with self._sessions() as session:
            events = await event_repository.get_events_after(session, run, last, PAGE)
        return [EncodedEvent.of(event) for event in events]

    @asynccontextmanager
    async def subscribe(self, run: str) -> AsyncIterator[RunSubscription]:
        """Watch a run for one reader."""
        subscription = self._subscriptions.get(run)
        if subscription is None:
            async with self._sessions() as session:
                position = (await event_repository.get_event_positions(session, [run])).get(run)
            if position is None:
                raise NotFound(f"There is no run {run!r}.")
            subscription = self._subscriptions.setdefault(run, RunSubscription(run, *position))
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
            with suppress(*AWAY):
                await self._look()

    async def _look(self) -> None:
        if not self._subscriptions:
            return
        async with self._sessions() as session:
            positions = await event_repository.get_event_positions(session, list(self._subscriptions))
            for run, position in positions.items():
                subscription = self._subscriptions.get(run)
                if subscription and position != (subscription.last, subscription.over):
                    events = await event_repository.get_events_after(session, run, subscription.last, PAGE)
                    subscription.extend(events, position)
