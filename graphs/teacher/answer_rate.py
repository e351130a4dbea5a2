"""Tells a teacher that fails at some calls from one that cannot do the work."""

from __future__ import annotations

from collections import deque

from graphs.errors import TooManyUnanswered
from graphs.teacher.failures import GO_ON

FIRST = 10
"""Calls, all of them unanswered, after which a teacher that has answered nothing is given up."""
WINDOW = 50
"""The last calls that are looked at."""
SHARE = 0.2
"""Of the last calls that may be unanswered."""


class AnswerRate:
    """Counts which of a run's last calls were answered."""

    def __init__(self) -> None:
        self._last: deque[bool] = deque(maxlen=WINDOW)
        self._any = False

    def answered(self) -> None:
        self._last.append(True)
        self._any = True

    def unanswered(self, reason: str) -> None:
        """Count a call that was given up.

        Raises:
            TooManyUnanswered: it was one too many.
        """
        self._last.append(False)
        missed = self._last.count(False)
        none_yet = not self._any and missed >= FIRST
        if none_yet or (len(self._last) == WINDOW and missed > SHARE * WINDOW):
            raise TooManyUnanswered(
                f"The teacher left {missed} of the last {len(self._last)} calls unanswered. The last reason: {reason} "
                f"When that is mended, {GO_ON}"
            )
