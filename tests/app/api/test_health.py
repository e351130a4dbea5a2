"""Health, readiness, metrics, logs, and what the process loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.api import health
from tests.app.api.http_service import Service, problem, serve, settings_for
from tests.test_imports import loaded_by, tops

SECRET = "the-secret-of-this-test"
NOISY = """
import sys, uvicorn
from fastapi import Body
from app import logs
from app.api.app import create_app
from app.settings import Settings

logs.install()
app = create_app(Settings(home=sys.argv[1], max_running=0))

async def crash(body: dict = Body()):
    logs.run_id.set("run 7")
    raise RuntimeError("a fault")

app.add_api_route("/crash", crash, methods=["POST"])
uvicorn.run(app, port=int(sys.argv[2]), log_config=None)
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path)) as running:
        yield running


def test_a_healthy_service(service: Service) -> None:
    with service.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ready", "checks": ["database", "home"]}


def test_health_needs_no_key_but_numbers_do(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path, auth="on")) as service, service.client() as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        problem(client.get("/metrics"), 401)


def test_a_database_without_tables_is_not_ready(service: Service) -> None:
    service.sql("DROP TABLE run_events")
    service.sql("DROP TABLE runs")
    with service.client() as client:
        assert problem(client.get("/readyz"), 503)["detail"] == "database: it does not answer"
        assert client.get("/healthz").status_code == 200


def test_a_full_disk_is_not_ready(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FREE_BYTES", 1 << 60)
    with service.client() as client:
        assert "MB are free" in problem(client.get("/readyz"), 503)["detail"]


def test_a_lost_home_is_not_ready(service: Service) -> None:
    service.settings.home.rename(service.settings.home.with_name("elsewhere"))
    with service.client() as client:
        assert "home: it cannot be written" in problem(client.get("/readyz"), 503)["detail"]


def test_teachers_are_reached_where_they_are_named(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path / "teacher")) as other:
        teachers = [other.url, "http://127.0.0.1:9/v1"]
        with (
            serve(settings_for(tmp_path / "a", ready_teachers=teachers)) as service,
            service.client() as client,
        ):
            assert problem(client.get("/readyz"), 503)["detail"] == "teacher 2: it cannot be reached"
        with (
            serve(settings_for(tmp_path / "b", ready_teachers=teachers[:1])) as service,
            service.client() as client,
        ):
            assert "teacher 1" in client.get("/readyz").json()["checks"]


def test_metrics_count_by_route_and_not_by_path(service: Service) -> None:
    kinds = [("queued", None), ("queued", None), ("failed", None), ("queued", "{}"), ("running", "{}")]
    for number, (status, comparison) in enumerate(kinds):
        service.sql(
            "INSERT INTO runs (id, owner, created, config, status, reason, view, token, last_event, comparison)"
            " VALUES (?, '', 1.0, '{}', ?, '', '{}', 0, 0, ?)",
            f"{number:032x}",
            status,
            comparison,
        )
    with service.client() as client:
        for letter in "abc":
            client.get(f"/v1/datasets/{letter * 32}")
        client.get("/v1/datasets")
        client.get("/nothing/here")
        lines = client.get("/metrics").text.splitlines()
    count = 'pada_http_requests_total{method="GET",route="%s",status="%s"} %s'
    assert count % ("/v1/datasets/{id}", 404, "3.0") in lines
    assert count % ("/v1/datasets", 200, "1.0") in lines
    assert count % ("unknown", 404, "1.0") in lines
    assert 'pada_http_seconds_count{method="GET",route="/v1/datasets/{id}"} 3.0' in lines
    assert 'pada_runs{status="queued"} 2.0' in lines
    assert 'pada_runs{status="failed"} 1.0' in lines
    assert 'pada_runs{status="running"} 0.0' in lines
    assert 'pada_comparisons{status="queued"} 1.0' in lines
    assert 'pada_comparisons{status="running"} 1.0' in lines
    assert 'pada_comparisons{status="failed"} 0.0' in lines
    assert "pada_queue_length 3.0" in lines


def test_logs_are_json_and_tell_no_secret(tmp_path: Path, unused_port: int) -> None:
    command = [sys.executable, "-c", NOISY, str(tmp_path), str(unused_port)]
    child = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        headers = {"Authorization": f"Bearer {SECRET}", "Idempotency-Key": SECRET}
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{unused_port}") as client:
            assert client.post("/crash", json={"x": SECRET}, headers=headers).status_code == 500
    finally:
        child.terminate()
        printed, logged = child.communicate(timeout=20)
    assert printed == ""
    lines = [json.loads(line) for line in logged.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    [crash] = [line for line in lines if line["level"] == "error"]
    assert "RuntimeError: a fault" in crash["error"]
    assert crash["run"] == "run 7"
    assert SECRET not in logged


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_service_is_light() -> None:
    heavy = {"torch", "transformers", "langgraph", "langchain_core", "openai", "faiss", "scipy", "altair"}
    assert not tops(loaded_by("app.api.app")) & heavy


def test_the_keys_of_the_command_line_are_light() -> None:
    assert not tops(loaded_by("app.cli.keys")) & {"fastapi", "sqlalchemy", "starlette"}
