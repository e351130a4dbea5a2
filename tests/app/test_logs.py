"""The service's log lines."""

from __future__ import annotations

import io
import json
import logging

import pytest

from app import logs


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def log_to(stream: io.StringIO) -> logging.Logger:
    logger = logging.Logger("pada.test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    logger.addHandler(handler)
    return logger


def test_a_line_is_one_json_object_with_its_run(stream: io.StringIO) -> None:
    token = logs.run_id.set("7b1e")
    try:
        log_to(stream).warning("Lost:\n%s", "é")
    finally:
        logs.run_id.reset(token)
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "warning", "logger": "pada.test", "message": "Lost:\né", "run": "7b1e"}


def test_an_exception_is_in_its_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("no such thing")
    except ValueError:
        log_to(stream).exception("It failed.")
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert "run" not in line
    assert line["error"].endswith("ValueError: no such thing")
