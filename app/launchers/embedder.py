"""A client of the embedding process: one process for the run, many concurrent callers, each text embedded once."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.launchers.processes import python_module, start_child
from graphs.errors import LoopError

LINE_LIMIT = 2**30
"""Longest answer line in bytes: base64 of half a million 384-dimensional vectors."""
REMEMBERED = 100_000
"""Number of texts whose vectors are kept: 150 MB at 384 dimensions. A pattern is looked up once for each batch, and
a row is checked with its batch and again with its round."""


class EmbeddingWorker:
    """Starts `trainer.embed`, with the first call at the latest. Calls that arrive while it works are sent together
    next, and a text is embedded only once."""

    def __init__(self, model: str):
        self._model = model
        self._child: asyncio.subprocess.Process | None = None
        self._waiting: list[tuple[list[str], asyncio.Future[NDArray[np.float32]]]] = []
        self._working: asyncio.Task[None] | None = None
        self._known: dict[str, NDArray[np.float32]] = {}

    async def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """See `graphs.ports.Embedder`."""
        known = {text: self._known[text] for text in texts if text in self._known}
        new = list(dict.fromkeys(text for text in texts if text not in known))
        if new:
            vectors = dict(zip(new, await self._queue(new), strict=True))
            self._remember(vectors)
            known |= vectors
        return np.stack([known[text] for text in texts]) if texts else np.zeros((0, 0), np.float32)

    def _remember(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        self._known |= vectors
        for text in list(islice(self._known, max(0, len(self._known) - REMEMBERED))):
            del self._known[text]  # the oldest

    async def _queue(self, texts: list[str]) -> NDArray[np.float32]:
        answer: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._waiting.append((texts, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            calls, self._waiting = self._waiting, []
            try:
                vectors = await self._ask([text for texts, _ in calls for text in texts])
            except Exception as error:
                for _, answer in calls:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            start = 0
            for texts, answer in calls:
                if not answer.done():  # the caller may have been cancelled
                    answer.set_result(vectors[start : start + len(texts)])
                start += len(texts)

    async def _ask(self, texts: list[str]) -> NDArray[np.float32]:
        line = await self._exchange(texts)
        if isinstance(line, int) and line < 0:  # it was killed, for example by the kernel when memory ran out
            line = await self._exchange(texts)
        if isinstance(line, int):
            raise LoopError(f"The embedding process for {self._model} ended with code {line}.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LoopError(f"embedder: {answer['error']}")
        return np.frombuffer(base64.b64decode(answer["data"]), dtype="<f4").reshape(answer["shape"])

    async def _exchange(self, texts: list[str]) -> bytes | int:
        """The process's answer, or its exit code if it has ended."""
        child = self._child or await self.start()
        line = b""
        with suppress(BrokenPipeError, ConnectionResetError):
            line = await send_line(child, json.dumps({"texts": texts}).encode() + b"\n")
        if line:
            return line
        self._child = None
        return await child.wait()

    async def start(self) -> asyncio.subprocess.Process:
        """Start loading the model; returns at once."""
        # half the cores: it works alongside the teacher's client, but never alongside the trainer
        threads = max(1, (os.cpu_count() or 2) // 2)
        self._child = await start_child(
            python_module("trainer.embed", self._model),
            variables={"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LINE_LIMIT,
        )
        return self._child

    async def aclose(self) -> None:
        """Kill the process, even mid-request. It also ends when this process does."""
        if self._working:
            self._working.cancel()
        if self._child:
            with suppress(ProcessLookupError):
                self._child.kill()
            await self._child.wait()
            self._child = None


async def send_line(child: asyncio.subprocess.Process, line: bytes) -> bytes:
    """Write one line to a child, and read one back; empty when the child has ended."""
    if child.stdin is None or child.stdout is None:
        raise ValueError("the child was started without pipes")
    child.stdin.write(line)
    await child.stdin.drain()
    return await child.stdout.readline()
