"""Logs a run to its trackers: `python -m trainer.track`, with the lines of `trainer.tracking` as its input.

It is a process of its own, so that a tracker that fails or hangs cannot touch the run. Each tracker has a thread, so
that one does not wait for another. When the run is killed, this process logs what it has got, and ends; the process of
the next start waits for it. What a tracker has had is kept in the run's folder, and is written before it is logged: if
this process itself is killed, nothing is logged twice, and the points of that moment are missing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sys
import time
from queue import Queue
from threading import Lock, Thread
from typing import IO

from accelerate import PartialState

from trainer.artifacts import read_model, write_json
from trainer.line_protocol import own_stdout, write_line
from trainer.strict import Strict
from trainer.trackers import TRACKERS, RunTracker
from trainer.tracking import Axis, Ending, Point, Tracked, TrackedRun, TrackerAnswer, TrackerName

SECRET_NAME = re.compile(r"KEY|TOKEN|PASSWORD|SECRET")
SHORTEST_SECRET = 8
LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
END_SECONDS = 90.0
"""How long trackers may take after the input has ended, where nobody ends them before."""
LONGEST_ERROR = 300
"""Characters."""
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_SILENT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Variables of the trackers that the environment leaves open: a server that is away is noticed in a minute, and nobody is
told of the use of a library."""


class TrackerState(Strict):
    """What a tracker has had, in all starts of the run."""

    known: str | None = None
    """The run's name in the tracker."""
    configured: bool = False
    last: dict[Axis, int] = {}
    """Axis -> last step."""
    endings: int = 0


class TrackerThread(Thread):
    """One tracker of the run, which works through its lines in order. After an error it does nothing more."""

    def __init__(self, name: TrackerName, run: TrackedRun, answer: Answers):
        super().__init__(name=name, daemon=True)
        self.lines: Queue[Tracked | None] = Queue()
        self._tracker_name, self._run, self._answer = name, run, answer
        self._file = run.home / f"{name}.json"
        self._state = read_model(TrackerState, self._file) if self._file.exists() else TrackerState()

    def run(self) -> None:
        """Track until there is a None among the lines."""
        error = ""
        try:
            self._track()
        except BaseException as failure:  # a tracker may even call sys.exit
            logging.getLogger(__name__).exception("%s failed.", self._tracker_name)
            error = explain(failure)
        self._answer(TrackerAnswer(tracker=self._tracker_name, error=error))

    def _track(self) -> None:
        tracker = TRACKERS[self._tracker_name](self._run, self._state.known)
        self._state.known = tracker.start()
        self._save()
        if not self._state.configured:
            self._state.configured = True
            self._save()
            tracker.configure()
        while (line := self.lines.get()) is not None:
            self._log(tracker, line.points)
            if line.ending:
                self._end(tracker, line.ending)
        tracker.finish()

    def _log(self, tracker: RunTracker, points: list[Point]) -> None:
        last = self._state.last
        new = []
        for point in points:
            if point.step > last.get(point.axis, -1):
                last[point.axis] = point.step
                new.append(point)
        if new:
            self._save()
        for point in new:
            tracker.log(point)

    def _end(self, tracker: RunTracker, ending: Ending) -> None:
        number = self._state.endings
        self._state.endings += 1
        self._save()
        tracker.attach(ending, number)

    def _save(self) -> None:
        write_json(self._file, self._state)


class Answers:
    """Writes answers, of one thread at a time."""

    def __init__(self, stream: IO[str]):
        self._stream, self._lock = stream, Lock()

    def __call__(self, answer: TrackerAnswer) -> None:
        with self._lock:
            write_line(self._stream, answer.model_dump())


def explain(error: BaseException) -> str:
    """The error on one line, without what looks like a secret."""
    text = LOGIN.sub("", " ".join(f"{error}".split()) or type(error).__name__)
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]}..."


def main() -> None:
    """Read lines until the input ends, and wait until all trackers have ended."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    answers = Answers(own_stdout())
    run = TrackedRun.model_validate_json(sys.stdin.readline())
    run.home.mkdir(parents=True, exist_ok=True)
    lock = (run.home / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # until this process ends
    PartialState()  # accelerate's trackers ask it whether this is the main process
    threads = [TrackerThread(name, run, answers) for name in dict.fromkeys(run.trackers)]
    for thread in threads:
        thread.start()
    for text in sys.stdin:
        line = Tracked.model_validate_json(text)
        for thread in threads:
            thread.lines.put(line)
    for thread in threads:
        thread.lines.put(None)
    end = time.monotonic() + END_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


if __name__ == "__main__":
    main()
