"""The next step's micro-batches, laid out on a thread while a GPU works on this step's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from trainer.data import Row
from trainer.packing import Batch

Asked = dict[tuple[int, ...], "Future[Batch]"]
"""By the identity of the rows."""


class Prefetch:
    """Lays out rows ahead of time; what was not asked for ahead is laid out when it is taken.

    The layout of rows is a function of the rows, so that a run with it has the numbers of one without.

    Args:
        layout: makes a batch of rows, in memory from which the device copies.
    """

    def __init__(self, layout: Callable[[Sequence[Row]], Batch]):
        self._layout = layout
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._now: Asked = {}
        self._next: Asked = {}

    def ask(self, micro_batches: Iterable[Sequence[Row]]) -> None:
        """Begin to lay out a step's micro-batches, before those of the step that was asked for last are taken.

        What is left of the step before that is forgotten, as after a micro-batch was halved.
        """
        self._now = self._next
        self._next = {_key(rows): self._thread.submit(self._layout, rows) for rows in micro_batches}

    def take(self, rows: Sequence[Row]) -> Batch:
        """The batch of these rows."""
        key = _key(rows)
        ahead = self._now.pop(key, None) or self._next.pop(key, None)
        return ahead.result() if ahead else self._layout(rows)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)


def _key(rows: Sequence[Row]) -> tuple[int, ...]:
    return tuple(id(row) for row in rows)
