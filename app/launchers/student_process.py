"""A client of the process that answers with trained students, `trainer.serve`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from itertools import count
from pathlib import Path

from pydantic import BaseModel

from app.errors import Unavailable, Unprocessable
from app.launchers.devices import POLL_SECONDS, Devices, give_up, hold, places, wanted
from app.launchers.processes import python_module, start_child
from app.launchers.trainer_process import environment
from trainer.serving import AnswerLine, Cancel, Question

LINE_LIMIT = 2**24
"""Longest line of an answer in bytes: a token with 20 alternatives takes some thousand."""
BUSY_SECONDS = 30.0
"""`Retry-After` while a training has the device."""


class StudentProcess:
    """Starts the process with the first question, on a device of its own that no trainer has meanwhile.

    Questions are asked one at a time: the caller sees to that.

    Args:
        log: file for what the process says on standard error, anew at each start.
        wait_seconds: how long a start waits for a device.
    """

    def __init__(self, log: Path, wait_seconds: float):
        self._log, self._wait_seconds = log, wait_seconds
        self._child: asyncio.subprocess.Process | None = None
        self._ids = count(1)

    @property
    def runs(self) -> bool:
        """Whether there is a process, which has a device."""
        return self._child is not None and self._child.returncode is None

    async def ask(self, question: Question) -> AsyncGenerator[AnswerLine, None]:
        """The lines of an answer; its id is set here. Closing the generator cancels the question.

        Raises:
            Unprocessable: the question cannot be answered; the message says what to change.
            Unavailable: no device is free, the student cannot be loaded, or the process has ended.
        """
        child = self._child if self._child and self.runs else await self._start()
        question = question.model_copy(update={"id": next(self._ids)})
        over = False
        self._send(child, question)
        try:
            while not over:
                line = await self._read(child, question.id)
                over = line.end is not None
                if line.error is not None:
                    over = True
                    raise Unprocessable(line.error) if line.refused else Unavailable(line.error)
                yield line
        finally:
            if not over:
                # nothing may be awaited here: the task may be cancelled
                self._send(child, Cancel(cancel=question.id))

    async def _read(self, child: asyncio.subprocess.Process, number: int) -> AnswerLine:
        """The next line of this answer; what is left of a cancelled one is skipped."""
        if child.stdout is None:
            raise ValueError("the child was started without pipes")
        while text := await child.stdout.readline():
            line = AnswerLine.model_validate_json(text)
            if line.id == number:
                return line
        code = await child.wait()
        if self._child is child:
            self._child = None
        raise Unavailable(
            f"The process with the students has ended ({'signal' if code < 0 else 'exit code'} {abs(code)}). The next "
            f"request starts it again. Its log is {self._log.name} in the service's home.",
            retry_after=1,
        )

    def _send(self, child: asyncio.subprocess.Process, message: BaseModel) -> None:
        if child.stdin is not None and not child.stdin.is_closing():
            child.stdin.write(message.model_dump_json().encode() + b"\n")

    async def _start(self) -> asyncio.subprocess.Process:
        held = await self._device()
        try:
            with self._log.open("wb") as output:
                self._child = await start_child(
                    python_module("trainer.serve"),
                    variables=environment() | held.environment(),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=output,
                    limit=LINE_LIMIT,
                    pass_fds=held.locks,
                )
        finally:
            give_up(held.locks)
        return self._child

    async def _device(self) -> Devices:
        """A device that no trainer has; those that wait already come first."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                while wanted():  # noqa: ASYNC110 - a lock of the kernel has no event
                    await asyncio.sleep(POLL_SECONDS)
                return await hold(places(), 1, lambda: None)
        except TimeoutError:
            raise Unavailable(
                "A training has the device that students would answer on. Ask again when it is over, or give the service "
                "another GPU.",
                retry_after=BUSY_SECONDS,
            ) from None

    async def stop(self) -> None:
        """Kill the process, even mid-answer; its device is free then."""
        child, self._child = self._child, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
