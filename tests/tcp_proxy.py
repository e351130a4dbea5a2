"""A TCP proxy in a thread of its own: its server goes away, and comes back, when a test says so."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self


class TcpProxy:
    """`with TcpProxy(port) as proxy`: forwards `proxy.port` to a port of this machine."""

    def __init__(self, target: int):
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._up = True
        self.port = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def go_away(self) -> None:
        """Cut all connections, and refuse new ones."""
        self._up = False
        self._loop.call_soon_threadsafe(self._cut)

    def come_back(self) -> None:
        """Forward again."""
        self._up = True

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _end(self) -> None:
        while self._open:  # noqa: ASYNC110 - connections have no event for their end
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        there, away = await asyncio.open_connection("127.0.0.1", self._target)
        self._open |= {writer, away}
        try:
            await asyncio.gather(self._forward(reader, away), self._forward(there, writer))
        finally:
            self._open -= {writer, away}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
