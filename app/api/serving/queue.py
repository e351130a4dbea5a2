"""The questions to trained students: they wait for their turn, and the process with the weights goes when it may."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Self, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.errors import TooManyRequests, Unavailable
from app.launchers.devices import POLL_SECONDS, wanted
from app.launchers.student_process import StudentProcess
from app.settings import Settings
from trainer.serving import AnswerLine, Question

log = logging.getLogger("pada.serving")

T = TypeVar("T")
FULL_SECONDS = 2.0
"""`Retry-After` of a full queue, for each question in it."""


class StudentQueue:
    """`async with StudentQueue(settings)`: answers questions one by one, in their order, until the block ends.

    The process with the students is dropped when it was idle for a while, and between two answers as soon as a trainer
    waits for a device.
    """

    def __init__(self, settings: Settings):
        self._limit, self._idle_seconds = settings.serving_queue, settings.serving_idle_seconds
        self._process = StudentProcess(settings.home.resolve() / "serving.log", settings.serving_wait_seconds)
        self._turn = asyncio.Lock()
        self._asked = 0
        self._last = time.monotonic()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await self._process.stop()

    async def ask(self, question: Question) -> AsyncGenerator[AnswerLine, None]:
        """The lines of an answer. Closing the generator gives up the turn, or the place in the queue.

        Raises:
            TooManyRequests: the queue is full.
            Unprocessable: the question cannot be answered; the message says what to change.
            Unavailable: students cannot answer at the moment.
        """
        if self._limit == 0:
            raise Unavailable("This process does not answer with students: PADA_SERVING_QUEUE is 0.")
        if self._asked >= self._limit:
            raise TooManyRequests(
                f"{self._asked} questions wait for an answer, which is the limit. Ask again later.",
                retry_after=FULL_SECONDS * self._asked,
            )
        # in a task of its own: a client that reads slowly must not keep the turn
        lines: asyncio.Queue[AnswerLine | None] = asyncio.Queue()
        work = asyncio.create_task(self._work(question, lines))
        self._asked += 1

        def leave(_: asyncio.Task[None]) -> None:
            self._asked -= 1
            lines.put_nowait(None)

        work.add_done_callback(leave)
        try:
            while (line := await lines.get()) is not None:
                yield line
            await work
        finally:
            work.cancel()

    async def _work(self, question: Question, lines: asyncio.Queue[AnswerLine | None]) -> None:
        async with self._turn, aclosing(self._answer(question)) as answer:
            async for line in answer:
                lines.put_nowait(line)

    async def _answer(self, question: Question) -> AsyncGenerator[AnswerLine, None]:
        if self._process.runs and wanted():
            await self._process.stop()
        try:
            async with aclosing(self._process.ask(question)) as lines:
                async for line in lines:
                    yield line
        finally:
            self._last = time.monotonic()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            idle = time.monotonic() - self._last > self._idle_seconds
            if self._process.runs and not self._turn.locked() and (idle or wanted()):
                async with self._turn:
                    log.info(
                        "The process with the students stops: %s.", "idle" if idle else "a trainer waits"
                    )
                    await self._process.stop()


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client leaves. The request's body must have been read.

    Raises:
        ClientDisconnect: the client has left.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.wait({task, gone})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
