"""Uploads over real HTTP: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.app.api.http_service import ROWS, Service, problem, serve, settings_for, upload
from trainer.data_files import read_examples

TRAIN = ROWS["train"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(settings_for(tmp_path_factory.mktemp("home"))) as running:
        yield running


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Service]:
    limits = {"max_dataset_bytes": 20_000, "max_dataset_rows": 20}
    with serve(settings_for(tmp_path, **limits)) as running:
        yield running


def test_an_upload_is_on_disk_as_it_was_sent(service: Service) -> None:
    with service.client() as client:
        answer = upload(client, " my rows ")
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made["name"] == "my rows"
        assert answer.headers["location"] == f"/v1/datasets/{made['id']}"
        assert client.get(answer.headers["location"]).json() == made
    assert abs(made["created"] - time.time()) < 60
    for split, text in ROWS.items():
        path = service.settings.datasets / made["id"] / f"{split}.jsonl"
        assert path.read_text() == text
        assert made["files"][split] == {
            "rows": len(read_examples(path)),
            "bytes": len(text.encode()),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }


def test_pages_hold_each_data_set_once(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path)) as service, service.client() as client:
        made = [upload(client, f"set {n}").json()["id"] for n in range(5)]
        service.sql("UPDATE datasets SET created = 7.25 WHERE id IN (?, ?)", made[0], made[1])
        seen, cursor = [], None
        for _ in range(3):
            query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = client.get("/v1/datasets", params=query).json()
            seen.append([item["id"] for item in page["items"]])
            cursor = page["next"]
        assert cursor is None
        assert seen == [[made[4], made[3]], [made[2], max(made[:2])], [min(made[:2])]]


@pytest.mark.parametrize("cursor", ["x", "", "bmFufGFiYw", "MS4wfA", "MS4wfGEvYg", "=====", "\u00e9"])
def test_a_wrong_cursor_is_refused(service: Service, cursor: str) -> None:
    with service.client() as client:
        problem(client.get("/v1/datasets", params={"cursor": cursor}), 422)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"train": TRAIN + '{"id": "x", "prompt": "p"}\n'},
            "train.jsonl, line 5: the row has no `completion`",
        ),
        ({"test": '{"id": 1, "prompt": "p", "completion"'}, "test.jsonl, line 1: broken JSON"),
        ({"validation": TRAIN + TRAIN}, "validation.jsonl, line 5: the id 'train-0' is already"),
        ({"test": TRAIN}, "The id 'train-0' is in train and in test"),
        ({"train": "\n\n"}, "train.jsonl has no rows"),
        ({"train": b'{"id": "x", "prompt": "\xff", "completion": "c"}'}, "line 1: byte 0xff is not UTF-8"),
        ({"test": None}, "lacks `test`"),
        ({"extra": TRAIN}, "The part 'extra'"),
        ({"train": TRAIN * 5}, "more rows"),
        ({"train": TRAIN + "{" + "x" * 20_000}, "larger than"),
    ],
)
def test_a_faulty_upload_leaves_nothing(empty: Service, changes: dict[str, Any], said: str) -> None:
    with empty.client() as client:
        detail = problem(upload(client, **changes), 413 if said in ("more rows", "larger than") else 422)[
            "detail"
        ]
        assert said in detail
        assert str(empty.settings.home) not in detail
        assert client.get("/v1/datasets").json() == {"items": [], "next": None}
    assert empty.folders() == []


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "two\nlines", "x" * 5000])
def test_a_name_is_needed(empty: Service, name: str) -> None:
    with empty.client() as client:
        assert "name" in problem(upload(client, name), 422)["detail"]
    assert empty.folders() == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"name=x", "application/x-www-form-urlencoded"),
        (b"", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=" + "b" * 1000),
        (b"nothing of the kind", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx', "multipart/form-data; boundary=b"),
    ],
)
def test_other_bodies_are_refused(empty: Service, body: bytes, kind: str) -> None:
    with empty.client() as client:
        problem(client.post("/v1/datasets", content=body, headers={"Content-Type": kind}), 422)
    assert empty.folders() == []


def test_too_much_is_refused_while_it_comes(empty: Service) -> None:
    """The client would send for ever, and does not say how much."""
    address = urlsplit(empty.url)
    piece = b"x" * 1000
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(_head("Transfer-Encoding: chunked"))
        part = b'--b\r\nContent-Disposition: form-data; name="train"; filename="t"\r\n\r\n'
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        for _ in range(40):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert empty.folders() == []


def test_a_client_that_hangs_up_leaves_nothing(empty: Service) -> None:
    address = urlsplit(empty.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(_head("Content-Length: 9000"))
        connection.sendall(b'--b\r\nContent-Disposition: form-data; name="train"; filename="t"\r\n\r\n{"id"')
        wait_for(
            lambda: any((empty.settings.datasets / name / "train.jsonl").exists() for name in empty.folders())
        )
    wait_for(lambda: empty.folders() == [])


def test_a_line_that_never_ends_is_refused(service: Service) -> None:
    before = service.folders()
    with service.client() as client:
        said = problem(upload(client, train=TRAIN + '{"id": "' + "x" * (17 << 20)), 413)["detail"]
    assert "`train` has a line of more than 16 MiB" in said
    assert service.folders() == before


def test_the_same_file_from_many_clients_is_a_data_set_for_each(service: Service) -> None:
    before = len(service.folders())

    def send(number: int) -> str:
        with service.client() as client:
            answer = upload(client)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

    with ThreadPoolExecutor(4) as clients:
        made = set(clients.map(send, range(4)))
    assert len(made) == 4
    assert len(service.folders()) == before + 4
    assert made <= set(service.folders())


@pytest.mark.parametrize("length", ["Content-Length: 9000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/runs"])
def test_a_body_that_comes_too_slowly_is_ended_and_leaves_nothing(
    tmp_path: Path, path: str, length: str
) -> None:
    with serve(settings_for(tmp_path, body_seconds=0.2)) as slow:
        address = urlsplit(slow.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(_head(length, path))
            part = b'--b\r\nContent-Disposition: form-data; name="train"; filename="t"\r\n\r\n{"id"'
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if "chunked" in length else part)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"PADA_BODY_SECONDS" in answer
        wait_for(lambda: slow.folders() == [])
        with slow.client() as client:
            assert upload(client).status_code == 201


def test_deleting(service: Service) -> None:
    with service.client() as client:
        made = upload(client).json()["id"]
        assert client.delete(f"/v1/datasets/{made}").status_code == 204
        problem(client.get(f"/v1/datasets/{made}"), 404)
        problem(client.delete(f"/v1/datasets/{made}"), 404)
    assert made not in service.folders()


def test_what_a_run_needs_is_not_deleted(service: Service) -> None:
    run = "ab" * 16
    with service.client() as client:
        made = upload(client).json()["id"]
        service.sql(
            "INSERT INTO runs (id, owner, created, config, dataset, status, reason, view, token, last_event)"
            " VALUES (?, '', 1.0, '{}', ?, 'queued', '', '{}', 0, 0)",
            run,
            made,
        )
        for status in ("queued", "running", "paused"):
            service.sql("UPDATE runs SET status = ? WHERE id = ?", status, run)
            problem(client.delete(f"/v1/datasets/{made}"), 409)
            assert made in service.folders()
        service.sql("UPDATE runs SET status = 'finished' WHERE id = ?", run)
        assert client.delete(f"/v1/datasets/{made}").status_code == 204
    assert service.sql("SELECT dataset FROM runs WHERE id = ?", run) == [(None,)]


def test_the_same_upload_sent_again_is_one_data_set(service: Service) -> None:
    with service.client() as client:
        before = len(service.folders())
        key = {"Idempotency-Key": "upload one"}
        first, again = upload(client, headers=key), upload(client, headers=key)
        assert first.status_code == again.status_code == 201
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["location"] == first.headers["location"]
        problem(upload(client, "another name", headers=key), 422)
        problem(upload(client, train=TRAIN + TRAIN.replace("train-", "more-"), headers=key), 422)
    assert len(service.folders()) == before + 1


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with serve(settings) as service, service.client() as client:
        made = upload(client).json()["id"]
        for name in (".incoming-1", "ab" * 16, ".incoming-young"):
            (settings.datasets / name).mkdir()
            (settings.datasets / name / "train.jsonl").touch()
        for name in (".incoming-1", "ab" * 16, made):
            os.utime(settings.datasets / name, (0, 0))
    with serve(settings) as service:
        assert service.folders() == sorted([made, ".incoming-young"])


def _head(length: str, path: str = "/v1/datasets") -> bytes:
    kind = "Content-Type: multipart/form-data; boundary=b"
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n{length}\r\n\r\n".encode()


def wait_for(what: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
