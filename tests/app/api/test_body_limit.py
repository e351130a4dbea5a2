"""Bodies that are too long."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.api.body_limit import BodyLimit


class Reader:
    """An application that reads the whole body."""

    def __init__(self) -> None:
        self.read = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            self.read += message["body"]
            more = message["more_body"]


async def send_body(limited: BodyLimit, *pieces: bytes, path: str = "/", length: str | None = None) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": place < len(pieces) - 1}
        for place, piece in enumerate(pieces)
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_: Message) -> None:
        pass

    headers = [(b"content-length", length.encode())] if length else []
    scope: Any = {"type": "http", "path": path, "headers": headers}
    await limited(scope, receive, send)


async def test_a_body_of_the_limit_is_read() -> None:
    reader = Reader()
    await send_body(BodyLimit(reader, 6), b"abc", b"def")
    assert reader.read == b"abcdef"


@pytest.mark.parametrize("length", [None, "3", "not a number"])
async def test_one_byte_more_is_refused_whatever_the_header_says(length: str | None) -> None:
    reader = Reader()
    with pytest.raises(HTTPException) as refused:
        await send_body(BodyLimit(reader, 6), b"abc", b"defg", length=length)
    assert refused.value.status_code == 413
    assert reader.read == b"abc"


async def test_a_declared_length_is_refused_before_the_body_is_read() -> None:
    reader = Reader()
    with pytest.raises(HTTPException):
        await send_body(BodyLimit(reader, 6), b"abc", length="7")
    assert reader.read == b""


async def test_a_path_that_limits_its_own_body_gets_all_of_it() -> None:
    reader = Reader()
    await send_body(BodyLimit(reader, 6, own={"/uploads"}), b"abcdefgh", path="/uploads", length="8")
    assert reader.read == b"abcdefgh"
