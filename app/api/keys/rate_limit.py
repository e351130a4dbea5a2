"""Rate limit for each key or address: a token bucket in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MINUTE = 60.0


class Rates:
    """Token buckets that hold the requests of one minute and refill within a minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic):
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Key or address -> tokens left, and when that was (seconds); the longest unused first."""

    def take(self, who: str) -> float:
        """Count one request; returns 0 if it is allowed, else the seconds until the next one is."""
        now = self._clock()
        self._forget(now)
        left, then = self._buckets.get(who, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - then) * self._per_minute / MINUTE)
        allowed = left >= 1
        self._buckets[who] = (left - 1 if allowed else left, now)
        self._buckets.move_to_end(who)
        return 0.0 if allowed else (1 - left) * MINUTE / self._per_minute

    def _forget(self, now: float) -> None:
        """Delete buckets that were not used for a minute: they are full, like a new bucket."""
        while self._buckets:
            who, (_, then) = next(iter(self._buckets.items()))
            if now - then < MINUTE:
                return
            del self._buckets[who]
