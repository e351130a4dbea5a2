"""A client of the process that logs a run to its experiment trackers, `trainer.track`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pydantic import ValidationError

from app.launchers.processes import python_module, start_child
from trainer.tracking import Tracked, TrackedRun, TrackerAnswer, TrackerName

LOG = "tracking.log"


class TrackerProcess:
    """One process for all trackers of a run. Whatever becomes of it, sending to it never waits and never fails.

    Args:
        warn: is told of each tracker that has failed, once.
    """

    def __init__(self, run: TrackedRun, warn: Callable[[str], None]):
        self._run, self._warn = run, warn
        self._open: set[TrackerName] = set(run.trackers)
        self._child: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process; it is not waited for."""
        try:
            self._child = await self._spawn()
        except OSError as error:
            self._warn(f"The run is not logged to its trackers: {error}")
            return
        self._write(self._run.model_dump_json())
        self._reading = asyncio.create_task(self._read())

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._run.home.mkdir(parents=True, exist_ok=True)
        with (self._run.home / LOG).open("ab") as log:
            return await start_child(
                python_module("trainer.track"),
                outlives=True,
                # it computes nothing
                variables={"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    def send(self, line: Tracked) -> None:
        """Log this."""
        self._write(line.model_dump_json(exclude_defaults=True))

    async def end(self, seconds: float) -> None:
        """Let the trackers log what they have been sent, for some time, and end the process."""
        if self._child is None or self._reading is None:
            return
        if self._child.stdin:
            self._child.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._reading), seconds)
        with suppress(ProcessLookupError):
            self._child.kill()
        await self._reading
        await self._child.wait()

    def _write(self, text: str) -> None:
        if self._child and self._child.stdin and not self._child.stdin.is_closing():
            self._child.stdin.write(text.encode() + b"\n")

    async def _read(self) -> None:
        """Read the answers until the process ends."""
        if self._child is None or self._child.stdout is None:
            raise ValueError("the child was started without pipes")
        while text := await self._child.stdout.readline():
            with suppress(ValidationError):
                self._take(TrackerAnswer.model_validate_json(text))
        if self._open:
            names = " and ".join(sorted(self._open))
            self._warn(
                f"{names} did not end: what was logged last may be missing. See {self._run.home / LOG}."
            )

    def _take(self, answer: TrackerAnswer) -> None:
        self._open.discard(answer.tracker)
        if answer.error:
            self._warn(
                f"The run is no longer logged to {answer.tracker}: {answer.error} The run itself goes on; its next start "
                "logs what is missing."
            )
