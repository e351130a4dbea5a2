"""Which of the teacher's answers were paid for twice without need."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.scripted_teacher_server import Asked

RECORDED_SECONDS = 1.0
"""From the last byte of an answer to its line in the ledger, at most: one transaction on disk."""


def repeats(requests: Iterable[Asked]) -> list[tuple[Asked, Asked]]:
    """Requests that were sent again, each with its next sending."""
    asked = defaultdict(list)
    for request in requests:
        asked[request.hash].append(request)
    return [pair for sent in asked.values() for pair in itertools.pairwise(sent)]


def needless(pairs: Iterable[tuple[Asked, Asked]], kills: Sequence[float]) -> list[tuple[Asked, Asked]]:
    """Those whose first answer no kill (seconds since the epoch) kept from being written down."""
    return [
        (first, second)
        for first, second in pairs
        if not any(first.began <= kill <= (first.sent or float("inf")) + RECORDED_SECONDS for kill in kills)
    ]
