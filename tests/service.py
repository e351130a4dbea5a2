"""`pada serve` as a real process, on SQLite or PostgreSQL."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import connect_sse

from tests.command import PADA, environment
from tests.processes import children_of, command_of

OVER = ("finished", "failed", "cancelled")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Service:
    """A service with a home of its own; it may be killed and started again."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    key: str = ""
    """Sent with every request, where there is one."""
    command: Sequence[str] = (PADA, "serve")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def make_key(self, scope: str) -> str:
        """A new API key, by the command line."""
        told = environment() | {"PADA_HOME": str(self.home)} | self.settings
        command = [PADA, "keys", "create", "--name", "test", "--scope", scope]
        return subprocess.run(command, env=told, capture_output=True, text=True, check=True).stdout.strip()

    def start(self) -> None:
        """Start, and wait until it is ready."""
        told = {"PADA_HOME": str(self.home), "PADA_PORT": str(self.port), "PADA_POLL_SECONDS": "0.2"}
        with (self.home.parent / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=environment() | told | self.settings, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError((self.home.parent / "serve.log").read_text())

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def worker(self, run: str) -> int:
        """The process that works on a run; waits for it. That of another one may still be on its way out."""
        assert self.process
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for child in children_of(self.process.pid):
                if f"app.executor.worker {run}" in command_of(child):
                    return child
            time.sleep(0.05)
        raise AssertionError("The service has no worker.")

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process
        self.process.terminate()
        return self.process.wait(timeout=40)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/runs{path}", json=body, headers=self.headers | headers, timeout=30)

    def get(self, path: str, **query: Any) -> Any:
        answer = httpx.get(f"{self.url}/v1/runs{path}", params=query, headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start_run(self, config: dict[str, Any]) -> str:
        answer = self.post("", {"config": config})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def wait(
        self, run: str, *statuses: str, seconds: float = 120, stage: str | None = None
    ) -> dict[str, Any]:
        """Poll until the run has one of the statuses (default: it is over), or is in a stage."""
        wanted = statuses or OVER
        deadline = time.monotonic() + seconds
        while True:
            document: dict[str, Any] = self.get(f"/{run}")
            if (stage and document["stage"] == stage) or (not stage and document["status"] in wanted):
                return document
            assert time.monotonic() < deadline, document
            assert document["status"] not in OVER, document
            time.sleep(0.05)

    def events(self, run: str, last: int = 0, most: int | None = None) -> list[dict[str, Any]]:
        """The stream from behind `last` to its end, or so many events of it."""
        received: list[dict[str, Any]] = []
        with (
            httpx.Client(timeout=60) as client,
            connect_sse(
                client,
                "GET",
                f"{self.url}/v1/runs/{run}/events",
                headers=self.headers | {"Last-Event-ID": str(last)},
            ) as source,
        ):
            for sent in source.iter_sse():
                data = json.loads(sent.data)
                assert int(sent.id) == data["id"]
                received.append({"type": sent.event, **data})
                if len(received) == most:
                    break
        return received


def new_database() -> dict[str, str]:
    """Settings for an empty database in the PostgreSQL that `scripts/postgres` runs; SQLite where there is none."""
    server = os.environ.get("PADA_TEST_POSTGRES")
    if not server:
        return {}
    import psycopg

    name = f"pada_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return {"PADA_DATABASE_URL": f"{server.rpartition('/')[0]}/{name}"}


def allowing(teacher: str, *folders: Path) -> dict[str, str]:
    """Settings that give a teacher's address the key of the tests, and let runs read folders."""
    return {
        "PADA_ALLOWED_PATHS": json.dumps([str(folder) for folder in folders]),
        "PADA_TEACHER_KEYS": json.dumps({teacher: ["TINY_KEY"]}),
    }


@contextmanager
def serving(home: Path, command: Sequence[str] = (PADA, "serve"), **settings: str) -> Iterator[Service]:
    """A started service that is gone afterwards."""
    service = Service(home, new_database() | settings, command=command)
    try:
        service.start()
        yield service
    finally:
        if service.process and service.process.poll() is None:
            service.kill()
