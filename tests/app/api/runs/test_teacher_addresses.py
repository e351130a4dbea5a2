"""Teachers that a run posted over HTTP may not name, through the service itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.api.http_service import Service, serve, settings_for, upload

INTERNAL = "http://10.0.0.7:8000/v1"
Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Posts a run to a service with these settings."""
    with ExitStack() as stack:
        services: dict[str, Service] = {}

        def post(teacher: dict[str, Any], **settings: Any) -> httpx.Response:
            name = repr(settings)
            if name not in services:
                home = tmp_path / str(len(services))
                services[name] = stack.enter_context(serve(settings_for(home, **settings)))
            with services[name].client() as client:
                dataset = upload(client, "rows").json()["id"]
                config = {"task": "exact_match", "teacher": {"model": "m", "api_key_env": "", **teacher}}
                return client.post("/v1/runs", json={"config": config, "dataset": dataset})

        yield post


def test_metadata_is_refused_in_every_role_and_setting(ask: Ask) -> None:
    for settings in ({}, {"private_teachers": "on"}):
        for host in ("169.254.169.254", "2852039166", "0xA9FEA9FE", "[::ffff:169.254.169.254]", "[fe80::1]"):
            answer = ask({"base_url": f"http://{host}/v1"}, **settings)
            assert answer.status_code == 422
            assert "config.teacher: `base_url` of the analyst: " in answer.json()["detail"]
    judge = ask({"base_url": "http://127.0.0.1:1/v1", "judge": {"base_url": "http://169.254.169.254/"}})
    assert (judge.status_code, "`base_url` of the judge" in judge.text) == (422, True)


def test_private_hosts_are_refused_unless_the_service_allows_them(ask: Ask) -> None:
    for host in ("127.0.0.1:8399", "localhost", "10.0.0.7:8000", "[::1]:80", "2130706433"):
        assert ask({"base_url": f"http://{host}/v1"}).status_code == 202, "the service itself is on loopback"
        answer = ask({"base_url": f"http://{host}/v1"}, private_teachers="off")
        assert (answer.status_code, "PADA_PRIVATE_TEACHERS" in answer.text) == (422, True)
    named = {"private_teachers": "off", "teacher_keys": {INTERNAL: []}}
    assert ask({"base_url": INTERNAL}, **named).status_code == 202
    assert ask({"base_url": "http://10.0.0.8:8000/v1"}, **named).status_code == 422


def test_a_name_that_is_not_known_is_looked_at_later(ask: Ask) -> None:
    assert ask({"base_url": "http://teacher.invalid/v1"}, private_teachers="off").status_code == 202
