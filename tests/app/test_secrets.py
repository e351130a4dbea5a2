"""Keys, and whatever else must stay secret, are in no file, no database, no answer, no log and no trace."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.responses import JSONResponse, Response

from graphs.errors import TeacherError
from graphs.schemas import ErrorAnalysis
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from tests.app.api.http_service import problem, serve, settings_for
from tests.collector import Collector
from tests.command import CANARY
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, serving
from tests.tiny_task import config_for

RAY_TOKEN = "ray-canary-5b1e9f0c72"
COLLECTOR_KEY = "otel-canary-81d0c6b2f4"
GATEWAY = "gateway-canary-2f61d8b09e"
"""In a header of another name."""
PASSWORD = "database-canary-7d3a9c"
"""Of PostgreSQL, where that keeps the runs; the server of the tests takes any."""
SECRETS = {
    "teacher": CANARY,
    "gateway": GATEWAY,
    "Ray": RAY_TOKEN,
    "collector": COLLECTOR_KEY,
    "database": PASSWORD,
}


def halves(secret: str) -> tuple[bytes, bytes]:
    """What must be nowhere: a secret's first half, as it is and as PostgreSQL dumps it from a column of bytes."""
    half = secret[: len(secret) // 2].encode()
    return half, half.hex().encode()


def refuse(key: str, before: int = 0) -> Response:
    """The answer of a teacher, or of a proxy before it, that refuses a key and repeats it again and again."""
    error = {"message": "x" * before + f" {key}" * 30, "code": "invalid_api_key", "key": key}
    return JSONResponse({"error": error}, 401, headers={"WWW-Authenticate": f"Bearer {key}"})


@dataclass
class Told:
    """Everything that a service has written and said: name -> content."""

    secrets: dict[str, str]
    places: dict[str, bytes] = field(default_factory=dict)

    def hear(self, service: Service, path: str) -> Any:
        """Ask the service; the answer is one more place."""
        answer = httpx.get(f"{service.url}{path}", headers=service.headers, timeout=60)
        assert answer.status_code in (200, 404), answer.text
        self.places[f"GET {path}"] = answer.content + str(answer.headers).encode()
        return answer

    def of_run(self, service: Service, run: str) -> None:
        """All that the service tells of one run."""
        here = f"/v1/runs/{run}"
        for part in ("", "/events", "/patterns", "/strategies", "/samples", "/rounds"):
            self.hear(service, f"{here}{part}")
        for part in ("/report", "/report.html", "/predictions?round=0"):
            self.hear(service, f"{here}{part}")
        for item in self.hear(service, f"{here}/artifacts").json()["items"]:
            self.hear(service, f"{here}/artifacts/{item['path']}")
        for row in service.get(f"/{run}/samples")["items"][:3]:
            self.hear(service, f"{here}/lineage/{row['id']}")

    def files(self, root: Path, when: str) -> None:
        for path in root.rglob("*"):
            if path.is_file():
                self.places[f"{path.relative_to(root)} ({when})"] = path.read_bytes()

    def found(self) -> list[str]:
        """Which secret is where."""
        return [
            f"{name} in {place}"
            for name, secret in self.secrets.items()
            for part in halves(secret)
            for place, content in self.places.items()
            if part in content
        ]

    def of(self, word: str) -> bytes:
        """The content of all places whose name has the word."""
        return b"".join(content for place, content in self.places.items() if word in place)


def with_password(settings: dict[str, str]) -> dict[str, str]:
    """Another name for the same database."""
    url = settings.get("PADA_DATABASE_URL")
    return settings | {"PADA_DATABASE_URL": url.replace("pada@", f"pada:{PASSWORD}@")} if url else settings


def dump(url: str) -> bytes:
    return subprocess.run(["pg_dump", "--dbname", url], capture_output=True, check=True).stdout


@pytest.fixture
def scripted_teacher() -> Iterator[ScriptedTeacherServer]:
    with ScriptedTeacherServer() as server:
        yield server


@contextmanager
def service_with_secrets(
    folder: Path, data: Path, student: Path, teacher: str
) -> Iterator[tuple[Service, Collector]]:
    """A service that knows every kind of secret, and sends spans to a collector."""
    settings = {
        "PADA_AUTH": "on",
        "PADA_LOG_LEVEL": "debug",
        "PADA_ALLOWED_PATHS": json.dumps([str(data), str(student)]),
        "PADA_TEACHER_KEYS": json.dumps({teacher: ["TINY_KEY", "GATEWAY_LOGIN"]}),
        "GATEWAY_LOGIN": f"Basic {GATEWAY}",
        "RAY_AUTH_TOKEN": RAY_TOKEN,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{COLLECTOR_KEY}",
    }
    with Collector() as collector, serving(folder / "home", **settings) as service:
        service.terminate()
        service.settings = with_password(service.settings) | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        service.start()
        service.key = service.make_key("write")
        yield service, collector


@pytest.mark.slow
def test_secrets_are_nowhere(
    tmp_path: Path, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    """A run that ends well, one whose teacher refuses the key and repeats it, and requests that are refused."""
    config = config_for(data, student, scripted_teacher.url, loop={"rounds": 1}) | {
        "data": {"folder": str(data)}
    }
    config["teacher"] |= {"headers_env": {"X-Gateway": "GATEWAY_LOGIN"}}
    with service_with_secrets(tmp_path, data, student, scripted_teacher.url) as (service, collector):
        told = Told(SECRETS | {"API": service.key})
        good = service.wait(service.start_run(config), seconds=240)
        assert good["status"] == "finished"
        scripted_teacher.fault = lambda schema, data: refuse(f"{CANARY} {GATEWAY}")
        bad = service.wait(service.start_run(config | {"seed": 8}), seconds=240)
        assert bad["status"] == "failed"
        assert "refuses the key: HTTP 401" in bad["reason"]
        for run in (good["id"], bad["id"]):
            told.of_run(service, run)
        for path in ("/v1/runs", "/v1/datasets", "/metrics", "/openapi.json", "/readyz"):
            told.hear(service, path)
        told.files(tmp_path, "while it runs")
        assert service.terminate() == 0
        told.files(tmp_path, "afterwards")
        if url := service.settings.get("PADA_DATABASE_URL"):
            told.places["pg_dump"] = dump(url)
        told.places["spans"] = b"".join(collector.bodies)
    assert {call.authorization for call in scripted_teacher.seen} == {f"Bearer {CANARY}"}, "the key was used"
    assert {call.headers["x-gateway"] for call in scripted_teacher.seen} == {f"Basic {GATEWAY}"}
    assert collector.headers[0]["authorization"] == f"Bearer {COLLECTOR_KEY}"
    assert not told.found()
    really_looked(told, good["id"], bad["id"])


def really_looked(told: Told, good: str, bad: str) -> None:
    """Nothing was found in what is really there."""
    database = "pg_dump" if "pg_dump" in told.places else "pada.sqlite"
    for place, content in (
        ("GET /v1/runs", good.encode()),
        ("/events", b'"status": "finished"'),
        ("report.json (afterwards)", good.encode()),
        ("report.html", b"</html>"),
        ("ledger.sqlite (afterwards)", bad.encode()),
        (database, bad.encode()),
        ("/metrics", b"pada_teacher"),
        ("serve.log (afterwards)", b'"level": "debug"'),
        ("spans", bytes.fromhex(bad)),
    ):
        assert content in told.of(place), place


async def test_a_key_that_the_teacher_repeats_is_not_left_in_part(
    tmp_path: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    """Long errors are cut, and wherever that happens in a key, no part of it stays."""
    spec = TeacherSpec(model="m", base_url=scripted_teacher.url, api_key_env="TINY_KEY")
    ledger = Ledger(tmp_path / "ledger.sqlite", "run")
    async with ChatTeacher(spec, BudgetSpec(), ledger, {"TINY_KEY": CANARY}) as teacher:
        for before in range(len(CANARY) + 1):
            answer = refuse(CANARY, before)

            def fault(schema: str, data: Any, answer: Any = answer) -> Any:
                return answer

            scripted_teacher.fault = fault
            with pytest.raises(TeacherError, match="HTTP 401") as caught:
                await teacher.ask("analyst", ErrorAnalysis, "Say why.", {"before": before})
            assert str(caught.value).count("***") > 5
            assert CANARY[:4] not in str(caught.value)


PASTED = "sk-pasted-8c41f7e0d95b"
TEACHER = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


@pytest.mark.parametrize(
    "body",
    [
        {"config": {"task": "classification", "teacher": TEACHER | {"api_key": PASTED}}},
        {"config": {"task": "classification", "teacher": TEACHER | {"api_key_env": PASTED}}},
        {"config": {"task": "classification", "teacher": TEACHER | {"judge": {"api_key_env": PASTED}}}},
        {"config": {"task": "classification", "teacher": TEACHER | {"model": {"key": PASTED}}}},
        {"config": {"task": "classification", "teacher": PASTED}},
        {
            "config": {
                "task": "classification",
                "teacher": {"model": "m", "base_url": f"https://me:{PASTED}@host.example/v1"},
            }
        },
        {"config": {"task": "classification", "budget": {"max_usd": PASTED}}},
        {"config": PASTED},
        {"config": {}, "api_key": PASTED},
        PASTED,
    ],
)
def test_a_key_in_the_wrong_place_is_not_repeated(tmp_path: Path, body: Any) -> None:
    with serve(settings_for(tmp_path / "home")) as service, service.client() as client:
        body = body if isinstance(body, str) else body | {"config": with_data(body["config"], tmp_path)}
        answer = client.post("/v1/runs", json=body, headers={"Idempotency-Key": "once"})
        problem(answer, 422)
    assert PASTED not in answer.text
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or PASTED.encode() not in path.read_bytes(), path


def with_data(config: Any, folder: Path) -> Any:
    """A config that names rows, so that it is refused for its key and not for the want of them."""
    return config | {"data": {"folder": str(folder)}} if config and isinstance(config, dict) else config
