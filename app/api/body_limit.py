"""How long a body may be: enforced while it comes, whatever its header says."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Middleware that refuses bodies of more than `limit` bytes with 413, but on the paths in `own`.

    Those read their body in pieces and count for themselves.
    """

    def __init__(self, app: ASGIApp, limit: int, own: Collection[str] = ()):
        self._app = app
        self._limit = limit
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._own:
            receive = Counted(receive, declared(scope), self._limit)
        await self._app(scope, receive, send)


class Counted:
    """The body of one request, in pieces, as far as it may go."""

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
            # any other exception while FastAPI reads a body becomes 400
            raise HTTPException(413, f"The body is longer than the {self._limit} bytes that are read here.")


def declared(scope: Scope) -> int:
    """The body's length by its header; 0 if it does not say."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0
