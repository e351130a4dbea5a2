"""Ends requests whose body comes too slowly: each holds a connection, and an upload a folder."""

from __future__ import annotations

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PACE = 1024
"""Bytes that earn one more second."""


class BodyPace:
    """Middleware that answers 408 when the body keeps the service waiting for too long.

    Only waiting counts, not what the service does between two pieces.

    Args:
        seconds: to wait in all, and one more for each `PACE` bytes.
    """

    def __init__(self, app: ASGIApp, seconds: float):
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = Paced(receive, self._seconds)
        await self._app(scope, receive, send)


class Paced:
    """The body of one request, in pieces, as long as they come fast enough."""

    def __init__(self, receive: Receive, seconds: float):
        self._receive = receive
        self._left = seconds
        self._ended = False

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(self._left, 0)):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408,
                "The body came too slowly (`PADA_BODY_SECONDS`). Send it again over a faster connection.",
                headers={"Connection": "close"},
            ) from None
        self._left += len(message.get("body", b"")) / PACE - (time.monotonic() - began)
        self._ended = not message.get("more_body", False)
        return message
