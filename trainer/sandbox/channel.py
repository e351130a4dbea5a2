"""JSON messages over a socket. The length comes before each message."""

from __future__ import annotations

import json
import socket
from typing import Any

HEADER = 4
"""Number of bytes of a message's length, big endian."""
MAX_MESSAGE = 8 << 20


class MessageError(ValueError):
    """The other side sent something that is no message."""


def send(connection: socket.socket, message: Any, descriptors: list[int] | None = None) -> None:
    """Send a message, together with copies of open files.

    Raises:
        MessageError: the message is too large.
    """
    body = json.dumps(message).encode()
    if len(body) > MAX_MESSAGE:
        raise MessageError(f"a message has more than {MAX_MESSAGE} bytes")
    header = len(body).to_bytes(HEADER, "big")
    if descriptors:
        socket.send_fds(connection, [header], descriptors)
        connection.sendall(body)
    else:
        connection.sendall(header + body)


def receive(connection: socket.socket) -> Any:
    """The next message, or None if the other side has closed the connection.

    Raises:
        MessageError: the data is no message.
    """
    header = _read(connection, HEADER)
    return None if header is None else _parse(connection, header)


def receive_with_files(connection: socket.socket, count: int) -> tuple[Any, list[int]]:
    """The next message and the files that came with it."""
    header, descriptors, _, _ = socket.recv_fds(connection, HEADER, count)
    return (_parse(connection, header), list(descriptors)) if len(header) == HEADER else (None, [])


def _parse(connection: socket.socket, header: bytes) -> Any:
    size = int.from_bytes(header, "big")
    if size > MAX_MESSAGE:
        raise MessageError(f"a message claims {size} bytes")
    body = _read(connection, size)
    if body is None:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a message is no JSON: {error}") from None


def _read(connection: socket.socket, size: int) -> bytes | None:
    """Exactly `size` bytes, or None if the other side closes the connection first."""
    parts = bytearray()
    while len(parts) < size:
        try:
            part = connection.recv(size - len(parts))
        except ConnectionError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)
