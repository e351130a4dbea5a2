"""Logs a run to its experiment trackers, as long as a start of it lasts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.config.public_config import flat_config
from app.engine.events import Event, EventSink, RoundScore, StageDone, TeacherSpend, TrainerProgress
from app.engine.run_points import RunPoints
from app.engine.wiring import OpenRun
from app.launchers.tracker_process import TrackerProcess
from app.report.summary import summary_lines
from graphs.report import Report
from trainer.artifacts import read_model
from trainer.tracking import Ending, Point, Tracked, TrackedRun

SEND_SECONDS = 2.0
"""Shortest time between two looks at the trainer's progress."""
END_SECONDS, STOPPED_SECONDS = 60.0, 10.0
"""How long trackers may take to log the rest when a start has ended by itself, or was stopped."""


class RunTracking:
    """The trackers of one start of a run. All that it does is without effect for a run that names none."""

    def __init__(self, run: OpenRun):
        self._run = run
        self._points = RunPoints(run.paths)
        self._process: TrackerProcess | None = None
        self._spent: TeacherSpend | None = None
        self._looked = 0.0
        self._warn: Callable[[str], None] = lambda _: None

    @asynccontextmanager
    async def started(self, events: EventSink) -> AsyncIterator[None]:
        """Track until the end of this block, and then log the report, however the block has ended.

        Args:
            events: where warnings go.
        """
        if not self._run.config.track:
            yield
            return

        def warn(message: str) -> None:
            events.emit(TrainerProgress(stage="warning", message=message))

        self._warn = warn
        self._process = process = TrackerProcess(tracked(self._run), warn)
        seconds = END_SECONDS
        await process.start()
        self._send(self._new)
        try:
            yield
        except asyncio.CancelledError:
            seconds = STOPPED_SECONDS
            raise
        finally:
            self._send(self._new)
            self._send(self._conclusion)
            self._process = None
            await process.end(seconds)

    def hear(self, event: Event) -> None:
        """Log what is new, now and then while a student is trained, and at once when it is judged."""
        match event:
            case TeacherSpend():
                self._spent = event
            case TrainerProgress(stage="train") if time.monotonic() - self._looked > SEND_SECONDS:
                self._send(self._new)
            case RoundScore() | StageDone(name="fine_tune"):
                self._send(self._new)

    def _send(self, read: Callable[[], Tracked | None]) -> None:
        """Send what can be read from the run's folder. If it can't, nothing more is sent, and the run goes on."""
        if self._process is None:
            return
        try:
            line = read()
        except (OSError, ValueError, LookupError) as error:
            self._process = None
            self._warn(f"The run is no longer logged to its trackers: {error}")
            return
        if line:
            self._process.send(line)

    def _new(self) -> Tracked | None:
        self._looked = time.monotonic()
        points = list(self._points.new(self._spent))
        return Tracked(points=points) if points else None

    def _conclusion(self) -> Tracked | None:
        """The result on test rows, once there is one, and the report as it is."""
        paths = self._run.paths
        if not paths.report.exists():
            return None
        report = read_model(Report, paths.report)
        summary = "\n".join(f"- {line.strip()}" for line in summary_lines(report))
        files = [path for path in (paths.html, paths.report) if path.exists()]
        ending = Ending(status=report.status, summary=summary, files=files)
        return Tracked(points=tested(report), ending=ending)


def tracked(run: OpenRun) -> TrackedRun:
    """The run as its trackers know it."""
    config = run.config
    tags = {
        "method": config.loop.method,
        "task": config.task,
        "student": config.student.model,
        "seed": str(config.seed),
        "run_id": run.run_id,
    }
    return TrackedRun(
        trackers=config.track,
        home=run.paths.tracking,
        tensorboard=run.paths.tensorboard,
        name=run.options.name or run.paths.root.name,
        run_id=run.run_id,
        config=flat_config(config),
        tags=tags,
    )


def tested(report: Report) -> list[Point]:
    """The result on test rows; none before the run has ended."""
    test = report.test
    if test is None:
        return []
    low, high = test.ci95
    values = {
        "test/baseline": test.baseline,
        "test/best": test.best,
        "test/difference": test.difference,
        "test/ci95_low": low,
        "test/ci95_high": high,
        "test/p_value": test.p_value,
    }
    if test.untrained is not None:
        values["test/untrained"] = test.untrained
    return [Point(axis="test", step=int(report.best["round"]), values=values)]
