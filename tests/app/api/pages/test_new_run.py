"""`/new`: from a file to a run that waits."""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import socket
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.app.api.http_service import Service, parts, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import (
    config_of,
    open_page,
    signed_in,
    token_in,
)


def test_a_data_set_is_uploaded_and_a_run_started_from_it(service: Service) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        uploaded = client.post(
            "/datasets", params={"token": token}, data={"name": "<script>mine"}, files=parts()
        )
        assert uploaded.status_code == 303
        text = open_page(client, uploaded.headers["location"])
        assert "selected>&lt;script&gt;mine" in text
        dataset = uploaded.headers["location"].rpartition("=")[2]
        filled = {"token": token, "dataset": dataset, "config": config_of(text)}
        started = client.post("/new", data=filled)
        assert started.status_code == 303
        assert "queued" in open_page(client, started.headers["location"])
    assert service.sql("select status, dataset from runs") == [("queued", dataset)]


LABELS = ("refund", "delivery", "login")
TABLE = "question;kind\n" + "".join(
    f"Where is number {n} of my {LABELS[n % 3]} things?;{LABELS[n % 3]}\n" for n in range(240)
)
PRIVATE = TABLE + "Write to eva.muster@example.com about my login;login\n"


def test_a_table_becomes_a_data_set_with_a_config_that_starts(service: Service) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        answer = client.post(
            "/prepare", params={"token": token}, files={"file": ("../<b>tickets.csv", TABLE.encode("utf-16"))}
        )
        assert answer.status_code == 200, answer.text
        assert "classification" in answer.text
        assert "<b>tickets" not in answer.text
        dataset = re.search(r'value="(\w{32})" selected', answer.text)
        assert dataset
        config = html.unescape(config_of(answer.text))
        assert "output:" not in config
        assert "data:" not in config
        filled = {"token": token, "dataset": dataset[1], "config": config}
        assert client.post("/new", data=filled).status_code == 303
    (files,) = service.sql("select files from datasets")[0]
    assert sum(split["rows"] for split in json.loads(files).values()) == 240
    assert sorted(path.name for path in (service.settings.datasets / dataset[1]).iterdir()) == [
        "test.jsonl", "train.jsonl", "validation.jsonl",
    ]  # fmt: skip


def test_what_a_check_finds_is_told_with_the_file(service: Service) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        answer = client.post("/prepare", params={"token": token}, files={"file": ("t.csv", PRIVATE.encode())})
    text = html.unescape(answer.text)
    assert re.search(r"\d+ test rows show a true difference of \d+\.\d points or more", text)
    assert "Look at this: Rows seem to hold personal data." in text
    assert re.search(r"For one, \w+\.jsonl, line \d+: an e-mail address", text)
    assert str(service.settings.home) not in text


def packed_workbook(size: int) -> bytes:
    """A workbook by its names, with a sheet that unpacks to `size` bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * size)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("tickets.exe", b"MZ", "whose name ends with"),
        ("tickets", b"a,b", "whose name ends with"),
        ("tickets.csv", b"", "tickets.csv"),
        ("tickets.xlsx", b"no workbook", "tickets.xlsx"),
        ("tickets.json", b"{", "tickets.json"),
        pytest.param(
            "tickets.csv.gz",
            gzip.compress(b"text,label\n" + b"a" * (65 << 20)),
            "unpacks to more than 64 MB",
            id="gzip bomb",
        ),
        pytest.param(
            "tickets.xlsx", packed_workbook(65 << 20), "unpacks to more than 64 MB", id="workbook bomb"
        ),
    ],
)
def test_a_file_that_cannot_be_read_leaves_nothing(
    service: Service, name: str, content: bytes, fault: str
) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
        answer = client.post("/prepare", params={"token": token}, files={"file": (name, content)})
        assert answer.status_code == 422
        assert fault in answer.text
        assert str(service.settings.home) not in answer.text
    assert service.folders() == []


def test_a_file_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path / "home", max_dataset_bytes=100_000)) as small, small.client() as client:
        token = token_in(open_page(client, "/new"))
        big = {"file": ("tickets.csv", b"a;b\n" * 50_000)}
        assert client.post("/prepare", params={"token": token}, files=big).status_code == 413
        assert client.post("/prepare", files={"file": ("tickets.csv", b"a;b")}).status_code == 403
    assert small.folders() == []


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
        token = token_in(open_page(client, "/new"))
        answer = client.post("/new", data={"token": token, "config": config})
    assert answer.status_code == 422
    assert fault in answer.text
    assert config_of(answer.text).replace("&lt;", "<").replace("&gt;", ">") == config
    assert "<script>alert" not in answer.text
    assert service.sql("select count(*) from runs") == [(0,)]


def test_a_broken_upload_leaves_nothing_and_says_the_line(service: Service) -> None:
    with service.client() as client:
        token = token_in(open_page(client, "/new"))
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
        assert '<form method="post" action="/new"' not in text
        assert client.post("/new", data={"config": "task: mbpp"}).status_code == 403
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
        token = token_in(open_page(client, "/new"))
        answer = client.post("/prepare", params={"token": token}, files={"other": ("a.csv", b"a,b")})
    assert answer.status_code == 422
    assert "A file is needed" in answer.text
