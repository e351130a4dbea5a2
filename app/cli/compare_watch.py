"""Shows the runs of a comparison while they work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Self

from rich.console import Console

from app.cli.display import PlainDisplay, RunBar, live_bar
from app.compare.runs import Job
from app.engine.events import Event, PowerEstimate, RoundScore, RunStatusChanged, TrainerProgress


class Watch:
    """Shows the events of all runs: a live view on a terminal, plain lines elsewhere.

    Args:
        runs: number of runs.
    """

    def __init__(self, runs: int, console: Console | None = None):
        console = console or Console(stderr=True)
        self._runs, self._ended = runs, 0
        self._bar = live_bar(console) if console.is_terminal else None
        self._all = self._bar.add_task("All runs, rounds", total=runs, note="") if self._bar else None
        self._shows: dict[Job, Callable[[Event], None]] = {}
        self._shown: set[int | str | None] = set()

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, job: Job, event: Event) -> None:
        """One event of a run."""
        if self._shown_before(job, event):
            return
        if job not in self._shows:
            self._shows[job] = self._open("{}, seed {}: ".format(*job))
        self._shows[job](event)
        if isinstance(event, RunStatusChanged) and event.status in ("paused", "finished"):
            self._count()

    def _open(self, name: str) -> Callable[[Event], None]:
        return RunBar(self._bar, name).show if self._bar else PlainDisplay(name).show

    def _shown_before(self, job: Job, event: Event) -> bool:
        """Whether the event is the same for all runs, or for all runs of a seed, and was shown for another run."""
        subject: int | str | None
        match event:
            case PowerEstimate():
                subject = None
            case TrainerProgress(stage="warning", message=message):
                subject = message
            case RoundScore(round=0):
                subject = job[1]
            case _:
                return False
        before = subject in self._shown
        self._shown.add(subject)
        return before

    def _count(self) -> None:
        """Count a run that has ended its rounds or, later, its test rows."""
        self._ended += 1
        testing = self._ended > self._runs
        done = self._ended - self._runs * testing
        what = "test rows" if testing else "rounds"
        if self._bar and self._all is not None:
            self._bar.update(self._all, completed=done, description=f"All runs, {what}")
        else:
            print(f"All runs, {what}: {done} of {self._runs}.", file=sys.stderr, flush=True)  # noqa: T201
