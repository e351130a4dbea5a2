"""Bad days of a real service: its disk fills up, another process locks its database, its database goes away."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from benchmarks.small_disk import SmallDisk, possible
from tests import service as services
from tests.conftest import Run
from tests.duplicate_calls import needless, repeats
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, new_database, serving
from tests.tcp_proxy import TcpProxy
from tests.tiny_task import config_for

LEASE = {"PADA_LEASE_SECONDS": "4", "PADA_HEARTBEAT_SECONDS": "1"}
SMALL_MEGABYTES = 160


@pytest.fixture
def teacher() -> Iterator[ScriptedTeacherServer]:
    with ScriptedTeacherServer() as server:
        server.latency = 0.1
        yield server


@pytest.fixture
def config(data: Path, student: Path, teacher: ScriptedTeacherServer) -> dict[str, Any]:
    return config_for(data, student, teacher.url) | {"data": {"folder": str(data)}}


@pytest.fixture
def settings(data: Path, student: Path, teacher: ScriptedTeacherServer) -> dict[str, str]:
    return LEASE | {
        "PADA_ALLOWED_PATHS": json.dumps([str(data), str(student)]),
        "PADA_TEACHER_KEYS": json.dumps({teacher.url: ["TINY_KEY"]}),
    }


def ended_as(service: Service, run: str, undisturbed: Run) -> None:
    """The run has ended like one that nobody disturbed."""
    ended = service.wait(run, seconds=240)
    assert ended["status"] == "finished", ended
    report = service.get(f"/{run}/report")
    for key in ("accepted", "baseline", "best", "test", "stopped"):
        assert report[key] == undisturbed.report[key], key
    events = service.events(run)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))


@pytest.mark.skipif(not possible(), reason="this machine allows no user namespaces with mounts of their own")
def test_a_full_disk_pauses_a_run_which_goes_on_when_there_is_room(
    tmp_path: Path,
    config: dict[str, Any],
    settings: dict[str, str],
    teacher: ScriptedTeacherServer,
    whole_run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    popen = services.subprocess.Popen
    database = {"PADA_DATABASE_URL": f"sqlite:///{tmp_path / 'pada.sqlite'}"}
    with SmallDisk(tmp_path / "home", SMALL_MEGABYTES) as disk, monkeypatch.context() as patch:
        patch.setattr(
            services.subprocess, "Popen", lambda line, **options: popen(disk.command(line), **options)
        )
        with serving(disk.folder, **settings, **database) as service:
            run = service.start_run(config)
            service.wait(run, stage="augment", seconds=240)
            disk.fill()
            paused = service.wait(run, "paused", seconds=240)
            assert paused["waiting_for"] == "machine", paused
            assert "full" in paused["reason"] or "No space" in paused["reason"], paused
            rows = "".join(json.dumps(row) + "\n" for row in whole_run.rows("data/train.jsonl"))
            splits = {split: (f"{split}.jsonl", rows) for split in ("train", "validation", "test")}
            refused = httpx.post(f"{service.url}/v1/datasets", data={"name": "rows"}, files=splits)
            assert refused.status_code == 507, refused.text
            disk.free()
            assert service.post(f"/{run}/resume").status_code == 202
            ended_as(service, run, whole_run)
            assert repeats(teacher.of_run(run)) == [], "answers on their way had no room"


@pytest.mark.skipif("PADA_TEST_POSTGRES" in os.environ, reason="of SQLite")
def test_a_run_outlives_another_process_that_locks_the_database(
    tmp_path: Path, config: dict[str, Any], settings: dict[str, str], whole_run: Run
) -> None:
    with serving(tmp_path / "home", **settings) as service:
        run = service.start_run(config)
        service.wait(run, stage="fine_tune")
        with closing(sqlite3.connect(service.home / "pada.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(1.5 * float(LEASE["PADA_LEASE_SECONDS"]))
            assert service.get(f"/{run}")["status"] == "running", "it is read all the same"
            other.execute("ROLLBACK")
        ended_as(service, run, whole_run)


@pytest.mark.slow
@pytest.mark.skipif("PADA_TEST_POSTGRES" not in os.environ, reason="`make postgres` has one")
@pytest.mark.parametrize("seconds", [0.5, 10.0])
def test_a_run_outlives_a_database_that_goes_away(
    seconds: float,
    tmp_path: Path,
    config: dict[str, Any],
    settings: dict[str, str],
    teacher: ScriptedTeacherServer,
    whole_run: Run,
) -> None:
    """For less than a lease, and for longer than one."""
    url = urlsplit(new_database()["PADA_DATABASE_URL"])
    with TcpProxy(url.port or 5432) as proxy:
        address = f"postgresql://pada@127.0.0.1:{proxy.port}{url.path}"
        with serving(tmp_path / "home", **settings, PADA_DATABASE_URL=address) as service:
            run = service.start_run(config)
            service.wait(run, stage="augment", seconds=240)
            began = time.time()
            proxy.go_away()
            answer = httpx.get(f"{service.url}/v1/runs/{run}", timeout=60)
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
            assert httpx.get(f"{service.url}/healthz").status_code == 200
            time.sleep(seconds)
            proxy.come_back()
            ended = time.time()
            ended_as(service, run, whole_run)
    kills = [began + step / 10 for step in range(int((ended - began) * 10) + 60)]
    assert needless(repeats(teacher.of_run(run)), kills) == []
