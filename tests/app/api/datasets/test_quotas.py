"""How much one key may keep, over real HTTP."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.app.api.http_service import ROWS, problem, serve, settings_for, upload
from tests.app.api.keys.test_auth import make_key

SIZE = sum(len(text) for text in ROWS.values())
FILE = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n' * 12


def send_file(client: httpx.Client, content: bytes = FILE) -> httpx.Response:
    return client.post("/v1/files", data={"purpose": "fine-tune"}, files={"file": ("chats.jsonl", content)})


def test_a_key_has_so_many_uploads_and_another_key_has_its_own(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path, max_datasets=2, auth="on")) as service:
        keys = [make_key(service, "write")[1] for _ in range(2)]
        with service.client(keys[0]) as mine, service.client(keys[1]) as yours:
            first = upload(mine).json()["id"]
            assert send_file(mine).status_code == 200, "files count too"
            answer = problem(upload(mine), 409)
            assert "2 data sets and files" in answer["detail"]
            assert "PADA_MAX_DATASETS" in answer["detail"]
            refused = send_file(mine)
            assert (refused.status_code, "PADA_MAX_DATASETS" in refused.text) == (400, True), (
                "as OpenAI has it"
            )
            assert upload(yours).status_code == 201
            assert mine.delete(f"/v1/datasets/{first}").status_code == 204
            assert upload(mine).status_code == 201
        assert len(service.folders()) == 3


def test_a_key_has_so_many_bytes(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path, max_key_bytes=2 * SIZE + 10)) as service, service.client() as client:
        assert upload(client, "one").status_code == 201
        assert upload(client, "two").status_code == 201
        answer = problem(upload(client, "three"), 409)
        assert f"{2 * SIZE:,} bytes" in answer["detail"]
        assert "PADA_MAX_KEY_BYTES" in answer["detail"]
        assert len(service.folders()) == 2, "nothing is kept"


def test_a_full_key_is_refused_before_it_sends_and_a_repeated_request_is_answered(tmp_path: Path) -> None:
    headers = {"Idempotency-Key": "once"}
    with serve(settings_for(tmp_path, max_datasets=1)) as service, service.client() as client:
        made = upload(client, headers=headers)
        assert made.status_code == 201
        again = upload(client, headers=headers)
        assert (again.status_code, again.json()) == (201, made.json())
        problem(upload(client, headers={"Idempotency-Key": "other"}), 409)

        place = urlsplit(service.url)
        with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
            head = "POST /v1/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
            connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 409 ")
        assert len(service.folders()) == 1
