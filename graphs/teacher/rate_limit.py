"""Limits of one endpoint: how many calls may be in flight, and when to stop calling it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TypeVar

from graphs.errors import EndpointDown
from graphs.teacher.failures import down_message

T = TypeVar("T")

GROW_AFTER = 25
"""Successes after which one more call may be in flight."""


class CircuitBreaker:
    """Stops all calls to an endpoint that has failed `failures` times in a row over at least `seconds`."""

    def __init__(self, name: str, failures: int, seconds: float) -> None:
        self._name, self._failures, self._seconds = name, failures, seconds
        self._count, self._since, self._open_until = 0, 0.0, 0.0
        self._stop: asyncio.Future[str] | None = None

    def succeeded(self) -> None:
        """The endpoint answered, be it with a rate limit or a refusal."""
        self._count = 0

    def failed(self, reason: str) -> None:
        """Counts a failure. At the limit the breaker opens, and everything that waits for the endpoint stops."""
        now = time.monotonic()
        if self._count == 0:
            self._since = now
        self._count += 1
        if self._count >= self._failures and now - self._since >= self._seconds:
            self._trip(reason, now)

    def check(self) -> None:
        """Raises EndpointDown while the breaker is open."""
        stop = self._signal()
        if not stop.done():
            return
        if time.monotonic() < self._open_until:
            raise EndpointDown(stop.result())
        self._stop = None

    async def guard(self, work: asyncio.Future[T]) -> T:
        """The result of `work`, or EndpointDown as soon as the breaker opens. `work` itself goes on."""
        stop = self._signal()
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise EndpointDown(stop.result())

    async def sleep(self, seconds: float) -> None:
        """Waits. Raises EndpointDown as soon as the breaker opens."""
        stop = self._signal()
        await asyncio.wait((stop,), timeout=seconds)
        if stop.done():
            raise EndpointDown(stop.result())

    def _signal(self) -> asyncio.Future[str]:
        if self._stop is None:
            self._stop = asyncio.get_running_loop().create_future()
        return self._stop

    def _trip(self, reason: str, now: float) -> None:
        stop = self._signal()
        if not stop.done():
            stop.set_result(down_message(self._name, f"{self._count} failures in a row, the last: {reason}"))
        self._open_until = now + self._seconds
        self._count = 0


class AdaptiveConcurrency:
    """Limits the calls in flight: fewer after a rate limit, slowly more after successes.

    A rate limit lowers the limit by a quarter. Calls that were in flight then do not lower it again. Every 25 successes
    raise it by 1. It stays between 1 and `maximum`.
    """

    def __init__(self, maximum: int, breaker: CircuitBreaker) -> None:
        self.limit = self.maximum = maximum
        self._breaker = breaker
        self._active = self._successes = 0
        self._cut_at = self._resume_at = 0.0
        self._queue: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Waits for a slot, first come first served. Raises EndpointDown when the breaker opens."""
        self._breaker.check()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._admit()
        try:
            await self._breaker.guard(turn)
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.release()
            turn.cancel()
            raise

    def release(self) -> None:
        """Gives a slot back."""
        self._active -= 1
        self._admit()

    def succeeded(self) -> None:
        """An answer came."""
        self._successes += 1
        if self._successes >= GROW_AFTER and self.limit < self.maximum:
            self.limit += 1
            self._successes = 0
            self._admit()

    def limited(self, sent_at: float, retry_after: float | None) -> None:
        """A call sent at `sent_at` (loop time) was rate limited. All calls pause for `retry_after` seconds."""
        loop = asyncio.get_running_loop()
        if sent_at >= self._cut_at:
            self._cut_at = loop.time()
            self.limit = max(1, min(self.limit - 1, self.limit * 3 // 4))
        resume = loop.time() + (retry_after or 0.0)
        if resume > self._resume_at and retry_after:
            self._resume_at = resume
            loop.call_later(retry_after, self._resume, resume)

    def _resume(self, at: float) -> None:
        # a timer may fire a clock tick early, so this does not look at the clock
        if at == self._resume_at:
            self._resume_at = 0.0
            self._admit()

    def _admit(self) -> None:
        while self._queue and self._active < self.limit and not self._resume_at:
            turn = self._queue.popleft()
            if not turn.done():
                self._active += 1
                turn.set_result(None)
