"""Keys that were looked up a moment ago, so that a client that polls costs one query less."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SECONDS = 1.0
"""A key that another process revokes reads for so much longer, and changes nothing."""


class RecentKeys(Generic[T]):
    """What valid keys stand for. Unknown keys are not kept, so that guesses take no memory.

    Args:
        seconds: how long a look-up counts.
    """

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic):
        self._seconds, self._clock = seconds, clock
        self._known: dict[str, tuple[float, T]] = {}

    async def get(self, name: str, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """What a key stands for, from memory or by a look-up; None if it is unknown or revoked."""
        until, value = self._known.get(name, (0.0, None))
        if value is not None and self._clock() < until:
            return value
        began = self._clock()
        found = await look()
        if found is None:
            self._known.pop(name, None)
        else:
            self._known[name] = (began + self._seconds, found)
        return found

    def forget(self) -> None:
        """Look every key up anew: one was revoked here."""
        self._known.clear()
