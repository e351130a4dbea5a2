"""`/new` and `/tables`: from a file to a run that waits."""

from __future__ import annotations

import html
import json
import socket

import httpx
import pytest

from app.api.pages.setting_names import in_settings
from tests.app.api.http_service import Service, parts
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import (
    config_of,
    hidden_fields,
    open_page,
    signed_in,
    token_in,
    token_in_address,
)


def test_a_data_set_is_uploaded_and_a_run_started_from_it(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        token = token_in_address(open_page(client, "/new"))
        settings = client.post(
            "/datasets", params={"token": token}, data={"name": "<script>mine"}, files=parts()
        )
        assert settings.status_code == 200, settings.text
        assert "&lt;script&gt;mine" in settings.text
        assert "<script>mine" not in settings.text
        filled = hidden_fields(settings.text) | {"task": "exact_match", "method": "vanilla"}
        started = client.post("/new", data=filled | {"token": token})
        assert started.status_code == 200, started.text
        assert "queued" in started.text
    (status, dataset, config) = service.sql("select status, dataset, config from runs")[0]
    assert (status, dataset) == ("queued", filled["dataset"])
    assert json.loads(config)["loop"]["method"] == "vanilla"
    assert json.loads(config)["teacher"] is None


def test_settings_that_cannot_be_come_back_with_the_reason(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        token = token_in_address(open_page(client, "/new"))
        settings = client.post("/datasets", params={"token": token}, data={"name": "mine"}, files=parts())
        filled = hidden_fields(settings.text) | {"token": token}
        for changes, fault in [
            ({"rounds": "many"}, "Rounds: Input should be a valid integer"),
            ({"base_url": "ftp://x"}, "an address such as https://host/v1"),
            ({"other_student": "/etc/model"}, "lies in no folder of PADA_ALLOWED_PATHS"),
            ({"api_key_env": "HOME"}, "may not go to https://api.openai.com/v1"),
            ({"model": "x: y # {loop: [vanilla]}", "max_usd": ""}, ""),
        ]:
            answer = client.post("/new", data=filled | changes)
            if fault:
                assert answer.status_code == 422, changes
                assert fault in html.unescape(answer.text), changes
                plan = client.get("/new/plan", params=filled | changes)
                assert fault in html.unescape(plan.text), changes
    runs = [json.loads(config) for (config,) in service.sql("select config from runs")]
    assert [(run["teacher"]["model"], run["loop"]["method"]) for run in runs] == [
        ("x: y # {loop: [vanilla]}", "pada")
    ], "a text of a field is a text of the config"


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ("task: [", "not valid YAML"),
        ("task: classification\ntask: mbpp", "task"),
        ("just words", "a config is a mapping"),
        ("task: classification", "upload a data set"),
        ("task: classification\ncolour: </textarea><script>alert(1)</script>", "colour"),
    ],
)
def test_a_config_that_cannot_be_used_comes_back_with_the_reason(
    service: Service, config: str, fault: str
) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new/yaml"))
        answer = client.post("/new/yaml", data={"token": token, "config": config})
    assert answer.status_code == 422
    assert fault in answer.text
    assert html.unescape(config_of(answer.text)).removeprefix("\n") == config
    assert "<script>alert" not in answer.text
    assert service.sql("select count(*) from runs") == [(0,)]


def test_a_broken_upload_leaves_nothing_and_says_the_line(service: Service) -> None:
    with service.client() as client:
        token = token_in_address(open_page(client, "/new"))
        answer = client.post(
            "/datasets", params={"token": token}, data={"name": "mine"}, files=parts(train='{"id": 1}\n')
        )
        assert answer.status_code == 422
        assert "line 1" in answer.text
        assert client.post("/datasets", data={"name": "mine"}, files=parts()).status_code == 403
    assert service.folders() == []


def test_a_reader_can_start_nothing(keyed: Service) -> None:
    _, key = make_key(keyed, "read")
    with signed_in(keyed, key) as client:
        text = open_page(client, "/new")
        assert "may read only" in text
        assert '<form method="post" action="/prepare' not in text
        assert client.post("/new", data={"dataset": "x"}).status_code == 403
        assert client.post("/new/yaml", data={"config": "task: mbpp"}).status_code == 403
        assert client.get("/new/plan").status_code == 403
        assert client.post("/datasets", data={"name": "mine"}, files=parts()).status_code == 403


def test_a_strangers_file_is_not_even_read(keyed: Service) -> None:
    """Refused by the headers: the rest of the body never comes."""
    address = httpx.URL(keyed.url)
    request = (
        f"POST /prepare?token=x HTTP/1.1\r\nHost: {address.netloc.decode()}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n--b\r\n"
    )
    with socket.create_connection((address.host, address.port or 0), timeout=10) as connection:
        connection.sendall(request.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 303")


def test_a_form_without_a_file_says_so(service: Service) -> None:
    with service.client() as client:
        token = token_in_address(open_page(client, "/new"))
        answer = client.post("/prepare", params={"token": token}, files={"other": ("a.csv", b"a,b")})
    assert answer.status_code == 422
    assert "A file is needed" in answer.text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("student.model: no such student.", "“Student”: no such student."),
        ("config.student.model: /a/b is no folder.", "“Student”: /a/b is no folder."),
        ("Set `teacher.base_url`, or `teacher.api_key_env`.", "Set “Address”, or “Key”."),
        ("Raise `budget.max_calls`.", "Raise “Calls”."),
        (
            "student.models, my.student.model and teacher.model.x",
            "student.models, my.student.model and teacher.model.x",
        ),
    ],
)
def test_a_message_beside_a_form_names_its_fields(said: str, shown: str) -> None:
    assert in_settings(said) == shown
