"""The real service on a free port, in a thread; its executor is off."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from app.api.app import create_app
from app.demo.server import wait_until_started
from app.settings import Settings

ROWS = {
    split: "".join(
        f'{{"id": "{split}-{n}", "prompt": "{split} asks {n}?", "completion": "yes {n}"}}\n'
        for n in range(count)
    )
    for split, count in (("train", 4), ("validation", 3), ("test", 2))
}


@dataclass
class Service:
    """A service that runs."""

    url: str
    settings: Settings

    def client(self, key: str = "", **options: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, **options)

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database past the service."""
        with (
            closing(sqlite3.connect(self.settings.home / "pada.sqlite", timeout=30)) as connection,
            connection,
        ):
            return connection.execute(query, values).fetchall()

    def folders(self) -> list[str]:
        return sorted(path.name for path in self.settings.datasets.iterdir())


def settings_for(home: Path, **changes: Any) -> Settings:
    return Settings(**{"home": home, "max_running": 0, "requests_per_minute": 1_000_000, **changes})


@contextmanager
def serve(settings: Settings, extend: Callable[[FastAPI], object] = lambda _: None) -> Iterator[Service]:
    """Run the service; `extend` may add routes of the test."""
    app = create_app(settings)
    extend(app)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until_started(server, thread)
            yield Service(f"http://127.0.0.1:{listener.getsockname()[1]}", settings)
        finally:
            server.should_exit = True
            thread.join(10)


def parts(**changes: Any) -> dict[str, Any]:
    """The files of an upload; None leaves one out."""
    texts = {**ROWS, **changes}
    return {split: (f"{split}.jsonl", text) for split, text in texts.items() if text is not None}


def upload(client: httpx.Client, name: str = "mine", headers: Any = None, **changes: Any) -> httpx.Response:
    return client.post("/v1/datasets", data={"name": name}, files=parts(**changes), headers=headers)


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem in an answer, which must have all that RFC 9457 wants."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == "about:blank"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == response.request.url.path
    return document
