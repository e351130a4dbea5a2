"""Notices when the database's clock jumps, because leases are times of that clock."""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP_SECONDS = 5.0
"""Clocks are slewed by less between two looks; a machine that wakes up, or a clock that is set, jumps by more."""


class ClockWatch:
    """Compares the database's clock with this process's own, which only goes forward.

    Args:
        lease_seconds: after a jump, how long live workers may take to renew their leases by the new time.
    """

    def __init__(self, lease_seconds: float, clock: Callable[[], float] = time.monotonic):
        self._lease_seconds, self._clock = lease_seconds, clock
        self._difference: float | None = None
        self._jumped: float | None = None

    def trusts(self, now: float) -> bool:
        """Whether a lease that has lapsed by `now`, the database's time, belongs to a worker that is silent.

        Right after a jump all leases may seem to have lapsed, while their workers are alive.
        """
        own = self._clock()
        difference = now - own
        if self._difference is not None and abs(difference - self._difference) > JUMP_SECONDS:
            self._jumped = own
        self._difference = difference
        return self._jumped is None or own - self._jumped > self._lease_seconds
