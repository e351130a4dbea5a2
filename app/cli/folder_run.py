"""A run in its folder, worked on by a process of its own: started, followed, answered and stopped from another one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from app.cli.exit_codes import INTERRUPTED, PAUSED
from app.cli.run_folder import config_of
from app.config.run_config import RunConfig
from app.db.run_summary import RunSummary, apply_event
from app.engine.events import Event, RunStatusChanged, read_event
from app.engine.reviews import question_of
from app.engine.run_folder import open_run, owned, owner_of
from app.engine.run_status import RunStatus
from app.errors import ConfigError, FolderError, PadaError
from graphs.errors import Wait
from graphs.review import read_answer
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json, whole_lines
from trainer.data_files import DataError

LOG = "run.log"
"""What the process of the last start has printed."""
POLL_SECONDS = 0.1
STOP_SECONDS = 60.0
"""How long a run may take to stop. A trainer ends within a step; answers of the teacher on their way are waited for."""
CALM = (0, PAUSED, INTERRUPTED, -signal.SIGINT)
"""Exit codes of a process that ended or stopped as it should."""


class RunState(RunSummary):
    """Where a run stands."""

    status: RunStatus
    reason: str = ""
    """Why it has ended or waits."""
    waiting_for: Wait | None = None


class FolderRun:
    """A run in a folder. The process that works on it goes on when this one ends.

    Args:
        root: the run's folder.

    Raises:
        FolderError: the folder holds no run.
    """

    def __init__(self, root: Path):
        self.paths = RunPaths(root)
        self._process: subprocess.Popen[str] | None = None
        self._place = 0  # in bytes: where the events of this start begin
        config_of(root)

    @classmethod
    def start(cls, config: RunConfig, root: Path, *, finish: bool = False) -> Self:
        """Start a run, or go on with the one in the folder.

        Raises:
            FolderError: another process works on it, or the folder holds something else.
            ConfigError: the rows cannot be used, or a model or a tracker is missing.
        """
        # with the graph's libraries, which take a second to load
        from app.engine.runner import prepare_rows, refuse_missing

        with owned(root) as paths:
            open_run(paths, config)
            refuse_missing(paths, config)
            if ":" not in config.task:  # the code of a task of one's own is for the run's process alone
                try:
                    prepare_rows(paths, config)
                except DataError as error:
                    raise ConfigError(str(error)) from None
        run = cls(root)
        run._spawn("run", str(run.paths.config), "--output", str(root), *["--finish"] * finish)
        return run

    def answer(self, answer: Mapping[str, Any]) -> None:
        """Answer the review that the run waits for, and go on with it.

        Args:
            answer: see `graphs.review.ReviewAnswer`; an empty one approves.

        Raises:
            ConfigError: the answer does not fit the review.
            FolderError: the run waits for no review.
        """
        review = self.state().review
        if review is None:
            raise FolderError(f"{self.paths.root}: this run does not wait for a review.")
        checked = read_answer(dict(answer), question_of(review, self.paths))
        if isinstance(checked, str):
            raise ConfigError(f"answer: {checked}")
        document = checked.model_dump_json(exclude_none=True)
        self._spawn("review", str(self.paths.root), "--approve", "--answer", "/dev/stdin", given=document)

    def _spawn(self, *arguments: str, given: str = "") -> None:
        """Start `pada ...` in a session of its own, so that neither Ctrl-C nor the end of this process ends it."""
        self._place = size_of(self.paths.events)
        # -P: a folder `app` in the current folder must not be taken for ours
        line = [sys.executable, "-P", "-m", "app.cli.main", *arguments]
        with (self.paths.root / LOG).open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
                env=plain_environment(),
            )
        if self._process.stdin:
            with suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(given)

    @property
    def working(self) -> bool:
        """Whether a process works on the run."""
        started = self._process is not None and self._process.poll() is None
        return started or owner_of(self.paths.root) is not None

    def state(self) -> RunState:
        """Status, stage, progress, scores and cost, from the events so far."""
        working = self.working
        summary, last = RunSummary(), None
        for event in stored_events(self.paths.events):
            summary = apply_event(summary, event)
            last = event if isinstance(event, RunStatusChanged) else last
        status, reason = ("running", "") if working else self._standing(last)
        waiting_for = self._waiting_for() if status == "paused" else None
        seen = summary.model_copy(
            update={
                "stage": summary.stage if working else None,
                "eta_seconds": summary.eta_seconds if working else None,
                "review": summary.review if waiting_for == "review" else None,
            }
        )
        return RunState.model_validate(
            {**dict(seen), "status": status, "reason": reason, "waiting_for": waiting_for}
        )

    def _standing(self, last: RunStatusChanged | None) -> tuple[RunStatus, str]:
        """Status and reason of a run that no process works on, from its last change of status."""
        if last is None:
            return self._unheard()
        if last.status == "running":
            return "paused", "Its process was ended from outside; start it again to go on."
        return last.status, last.reason

    def _unheard(self) -> tuple[RunStatus, str]:
        """The same without any event: the run came from a service, or stopped before it began."""
        if self.paths.report.exists():
            report = read_json(self.paths.report)
            return report["status"], report["stopped"]
        complaint = self.complaint()
        return ("failed", complaint) if complaint else ("paused", "It has not been started.")

    def _waiting_for(self) -> Wait | None:
        if not self.paths.report.exists():
            return None
        waiting_for: Wait | None = read_json(self.paths.report)["waiting_for"]
        return waiting_for

    def complaint(self) -> str:
        """The error that the process of the last start ended with; empty if it ended without one."""
        log = self.paths.root / LOG
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        found = re.search(r"^pada: (.+)", text, re.MULTILINE | re.DOTALL)
        return found[1].strip() if found else ""

    def events(self) -> Iterator[Event]:
        """The events of this start as they come, until no process works on the run; of a run that was only opened,
        those of all its starts."""
        place = self._place
        while True:
            working = self.working
            lines, place = whole_lines(self.paths.events, place)
            yield from (read_event(json.loads(line)) for line in lines)
            if not working:
                return
            time.sleep(POLL_SECONDS)

    def wait(self, listen: Callable[[Event], None] = lambda _: None) -> RunState:
        """Wait until no process works on the run.

        Args:
            listen: receives the events.

        Raises:
            PadaError: the run has failed.
        """
        for event in self.events():
            listen(event)
        if self._process is not None and self._process.wait() not in CALM:
            raise PadaError(self.complaint() or f"{self.paths.root}: it failed; {LOG} says why.")
        state = self.state()
        if state.status == "failed":
            raise PadaError(f"{self.paths.root}: {state.reason}")
        return state

    def stop(self) -> RunState:
        """Stop the process that works on the run, as Ctrl-C does; a later start goes on from there.

        Raises:
            FolderError: the process is on another machine, or does not stop.
        """
        deadline = time.monotonic() + STOP_SECONDS
        if self.working:
            os.kill(self._worker(), signal.SIGINT)
        while self.working:
            if time.monotonic() > deadline:
                raise FolderError(f"{self.paths.root}: the run did not stop in {STOP_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)
        return self.state()

    def _worker(self) -> int:
        """The process to send a signal to."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        owner = owner_of(self.paths.root)
        if owner is None or not owner.lives:
            raise FolderError(
                f"{self.paths.root}: a process of another machine works on this run; stop it there."
            )
        return owner.pid


def plain_environment() -> dict[str, str]:
    """The environment for a process that prints into a file; a notebook asks its children for colours and live bars."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "CLICOLOR_FORCE")
    }
    return kept | {"NO_COLOR": "1", "TERM": "dumb"}


def size_of(path: Path) -> int:
    """Size in bytes; 0 of a file that is not there."""
    return path.stat().st_size if path.exists() else 0


def stored_events(path: Path) -> Iterator[Event]:
    """All events of a run so far."""
    return (read_event(json.loads(line)) for line in whole_lines(path, 0)[0])
