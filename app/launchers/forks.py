"""A client of `trainer.forkserver`: trainers that start in a moment, because their libraries are loaded already."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from signal import SIGKILL

from app.launchers.processes import python_module, start_child
from trainer.forkserver import Answer, Order


class Fork:
    """A trainer that a fork server has started; it is used like an `asyncio.subprocess.Process`."""

    def __init__(self, pid: int):
        self.pid = pid
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._code.result() if self._code.done() else None

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._code)

    def has_ended(self, code: int) -> None:
        """Take down its exit code."""
        self._code.set_result(code)


class ForkServer:
    """One process that has the trainer's libraries loaded. It starts with the first order.

    It starts anew if it was killed. Where it cannot be used (a library is missing, or opens the GPU as it loads)
    `start` returns None from then on.

    Args:
        variables: environment variables of every trainer.
    """

    def __init__(self, variables: Mapping[str, str]):
        self._variables = variables
        self._usable = True
        self._one_order = asyncio.Lock()
        self._server: asyncio.subprocess.Process | None = None
        self._orders: socket.socket | None = None
        self._started: asyncio.Future[Fork | None] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, order: Order, files: Sequence[int]) -> Fork | None:
        """Start a trainer.

        Args:
            files: its log, and locks that it holds until it ends.

        Returns:
            None if there is no fork server: start it in the ordinary way.
        """
        async with self._one_order:
            if not self._usable:
                return None
            if self._reading and self._started and self._started.cancelled():
                await self._reading  # it was killed
            if self._reading is None or self._reading.done():
                await self._open()
            self._started = asyncio.get_running_loop().create_future()
            self._send(order, files)
            try:
                fork = await self._started
            except asyncio.CancelledError:
                self._kill()  # the trainer that it may start still has nobody to wait for it
                raise
            self._usable = fork is not None
            return fork

    def _send(self, order: Order, files: Sequence[int]) -> None:
        if self._orders is None:
            raise ValueError("the server is not open")
        with suppress(OSError):  # it has ended, which the reader sees
            socket.send_fds(self._orders, [order.model_dump_json().encode()], files)

    async def _open(self) -> None:
        if self._orders:
            self._orders.close()
        self._orders, theirs = socket.socketpair()
        with theirs:
            self._server = await start_child(
                python_module("trainer.forkserver"),
                variables=self._variables,
                stdin=theirs,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        self._reading = asyncio.create_task(self._read(self._server))

    async def _read(self, server: asyncio.subprocess.Process) -> None:
        """Take the server's answers until it ends. Its trainers end with it."""
        if server.stdout is None:
            raise ValueError("the server was started without a pipe")
        forks: dict[int, Fork] = {}
        while line := await server.stdout.readline():
            answer = Answer.model_validate_json(line)
            if answer.pid not in forks:
                forks[answer.pid] = Fork(answer.pid)
                self._answer(forks[answer.pid])
            if answer.code is not None:
                forks.pop(answer.pid).has_ended(answer.code)
        for fork in forks.values():
            fork.has_ended(-SIGKILL)
        self._answer(None)

    def _answer(self, fork: Fork | None) -> None:
        if self._started and not self._started.done():
            self._started.set_result(fork)

    async def aclose(self) -> None:
        """Kill the process and its trainers. They also end when this process does."""
        if self._server and self._reading and self._orders:
            self._orders.close()
            self._kill()
            await self._server.wait()
            await self._reading

    def _kill(self) -> None:
        if self._server:
            with suppress(ProcessLookupError):
                self._server.kill()
