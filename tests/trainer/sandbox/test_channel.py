"""Messages arrive complete, and other data is refused."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from trainer.sandbox.channel import MAX_MESSAGE, MessageError, receive, receive_with_files, send

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_messages_come_one_by_one(pair: Pair) -> None:
    one, other = pair
    messages: list[Any] = [{"a": [1, None, "é"]}, [], "x", None, {"b": "y" * 5000}]
    for message in messages:
        send(one, message)
    assert [receive(other) for _ in messages] == messages


def test_a_message_larger_than_a_socket_buffer(pair: Pair) -> None:
    one, other = pair
    text = "x" * (4 << 20)
    sender = threading.Thread(target=send, args=(one, text))
    sender.start()
    assert receive(other) == text
    sender.join()


def test_a_closed_connection_is_no_message(pair: Pair) -> None:
    one, other = pair
    one.sendall(b"\x00\x00\x00\x10half of")
    one.close()
    assert receive(other) is None
    assert receive(other) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xff\xff\xff", f"claims {2**32 - 1} bytes"),
        (b"\x00\x00\x00\x04oops", "is no JSON"),
        (b"\x00\x00\x00\x02\xff\xfe", "is no JSON"),
        (b"\x00\x01\x86\xa0" + b"[" * 100_000, "is no JSON"),
    ],
)
def test_what_is_no_message_is_refused(pair: Pair, data: bytes, message: str) -> None:
    one, other = pair
    sender = threading.Thread(target=one.sendall, args=(data,))
    sender.start()
    with pytest.raises(MessageError, match=message):
        receive(other)
    sender.join()


def test_a_message_that_is_too_large_is_not_sent(pair: Pair) -> None:
    one, other = pair
    with pytest.raises(MessageError, match="more than"):
        send(one, "x" * MAX_MESSAGE)
    send(one, "next")
    assert receive(other) == "next"


def test_open_files_come_with_a_message(pair: Pair) -> None:
    one, other = pair
    reader, writer = os.pipe()
    send(one, {"n": 1}, [writer])
    os.close(writer)
    message, [received] = receive_with_files(other, 2)
    assert message == {"n": 1}
    os.write(received, b"through")
    os.close(received)
    assert os.read(reader, 20) == b"through"
    os.close(reader)
