"""Limits the length of request bodies while they arrive, whatever `Content-Length` says."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Middleware that refuses bodies of more than `limit` bytes with 413.

    Args:
        larger: path -> a limit of its own.
        own: paths that read their body in pieces and limit it themselves.
    """

    def __init__(
        self, app: ASGIApp, limit: int, larger: Mapping[str, int] | None = None, own: Collection[str] = ()
    ):
        self._app = app
        self._limit = limit
        self._larger = larger or {}
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._own:
            receive = Counted(receive, declared(scope), self._larger.get(scope["path"], self._limit))
        await self._app(scope, receive, send)


class Counted:
    """The body of one request, in pieces, up to the limit."""

    def __init__(self, receive: Receive, declared: int, limit: int):
        self._receive = receive
        self._declared = declared
        self._limit = limit
        self._seen = 0

    async def __call__(self) -> Message:
        self._check(self._declared)
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        self._check(self._seen)
        return message

    def _check(self, size: int) -> None:
        if size > self._limit:
            # FastAPI turns any other exception raised while it reads a body into 400
            raise HTTPException(413, f"The body is longer than {self._limit} bytes, which is the limit.")


def declared(scope: Scope) -> int:
    """The body's length according to its header; 0 without one."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0
