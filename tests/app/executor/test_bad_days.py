"""Bad days of a real service and its workers: the disk fills up, another process locks the database, the database goes away.

Students and embedders are scripted (`benchmarks/soak_service.py`), so that no test waits for a model.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from benchmarks.small_disk import SmallDisk, possible
from tests.duplicate_calls import needless, repeats
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, allowing, new_database, serving
from tests.tcp_proxy import TcpProxy
from tests.tiny_task import config_for

SERVICE = [sys.executable, str(Path(__file__).parents[3] / "benchmarks" / "soak_service.py")]
LEASE_SECONDS = 4
SHORT_LEASE = {"PADA_LEASE_SECONDS": str(LEASE_SECONDS), "PADA_HEARTBEAT_SECONDS": "1"}
SMALL_MEGABYTES = 160
"""The service calls itself ready above 100 MB."""
Serve = Callable[..., AbstractContextManager[Service]]
SAME = ("status", "accepted", "baseline", "best", "test", "stopped")


@pytest.fixture
def teacher() -> Iterator[ScriptedTeacherServer]:
    with ScriptedTeacherServer() as server:
        server.latency = 0.1
        yield server


def settings_for(data: Path, teacher: ScriptedTeacherServer) -> dict[str, str]:
    return {
        **allowing(teacher.url, data),
        "SOAK_TRAINING_SECONDS": "0.2",
    }


def config_of(data: Path, teacher: ScriptedTeacherServer) -> dict[str, Any]:
    document = config_for(data, "builtin:smollm2-135m", teacher.url, loop={"rounds": 1})
    return document | {"data": {"folder": str(data)}}


@pytest.fixture
def config(data: Path, teacher: ScriptedTeacherServer) -> dict[str, Any]:
    return config_of(data, teacher)


@pytest.fixture
def serve(data: Path, teacher: ScriptedTeacherServer) -> Serve:
    """`serve(home, **settings)`: the service, at work on a folder."""

    def served(home: Path, command: Sequence[str] = SERVICE, **more: str) -> AbstractContextManager[Service]:
        return serving(home, command, **settings_for(data, teacher) | more)

    return served


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, data: Path) -> dict[str, Any]:
    """The report of a run that nobody disturbs."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with ScriptedTeacherServer() as teacher, serving(home, SERVICE, **settings_for(data, teacher)) as service:
        ended = service.wait(service.start_run(config_of(data, teacher)), seconds=240)
        report: dict[str, Any] = service.get(f"/{ended['id']}/report")
    assert report["status"] == "finished"
    assert report["accepted"] > 0
    return report


def check_end(service: Service, run: str, expected: dict[str, Any]) -> None:
    """The run ends like the one that nobody disturbed."""
    ended = service.wait(run, seconds=240)
    assert ended["status"] == "finished", ended
    report = service.get(f"/{run}/report")
    assert {key: report[key] for key in SAME} == {key: expected[key] for key in SAME}
    numbers = [event["id"] for event in service.events(run)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.skipif(not possible(), reason="this machine allows no namespaces with mounts of their own")
def test_a_full_disk_pauses_a_run_which_goes_on_when_there_is_room(
    tmp_path: Path,
    config: dict[str, Any],
    expected: dict[str, Any],
    serve: Serve,
    teacher: ScriptedTeacherServer,
    data: Path,
) -> None:
    database = f"sqlite:///{tmp_path / 'pada.sqlite'}"
    with (
        SmallDisk(tmp_path / "home", SMALL_MEGABYTES) as disk,
        serve(disk.folder, disk.command(SERVICE), PADA_DATABASE_URL=database) as service,
    ):
        run = service.start_run(config)
        service.wait(run, stage="augment", seconds=240)
        disk.fill()
        paused = service.wait(run, "paused", seconds=240)
        assert paused["waiting_for"] == "machine", paused
        assert "full" in paused["reason"] or "No space" in paused["reason"], paused
        disk.fill()  # what the worker has given back
        splits = {name: (data / f"{name}.jsonl").read_bytes() for name in ("train", "validation", "test")}
        refused = httpx.post(f"{service.url}/v1/datasets", data={"name": "rows"}, files=splits)
        assert refused.status_code == 507, refused.text
        disk.free()
        assert service.post(f"/{run}/resume").status_code == 202
        check_end(service, run, expected)
        assert repeats(teacher.of_run(run)) == [], "answers on their way had no room"


@pytest.mark.skipif("PADA_TEST_POSTGRES" in os.environ, reason="of SQLite")
def test_a_run_outlives_another_process_that_locks_the_database(
    tmp_path: Path, config: dict[str, Any], expected: dict[str, Any], serve: Serve
) -> None:
    with serve(tmp_path / "home", **SHORT_LEASE) as service:
        run = service.start_run(config)
        service.wait(run, stage="analyze_errors", seconds=240)
        with closing(
            sqlite3.connect(service.home / "pada.sqlite", isolation_level=None, timeout=60)
        ) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(1.5 * LEASE_SECONDS)
            assert service.get(f"/{run}")["status"] == "running", "it is read all the same"
            other.execute("ROLLBACK")
        check_end(service, run, expected)


@pytest.mark.slow
@pytest.mark.skipif("PADA_TEST_POSTGRES" not in os.environ, reason="`make postgres` has one")
@pytest.mark.parametrize(("seconds", "lease"), [(0.5, {}), (2.0 * LEASE_SECONDS, SHORT_LEASE)])
def test_a_run_outlives_a_database_that_goes_away(
    seconds: float,
    lease: dict[str, str],
    tmp_path: Path,
    config: dict[str, Any],
    expected: dict[str, Any],
    serve: Serve,
    teacher: ScriptedTeacherServer,
) -> None:
    """For less than a lease, and for longer than one."""
    url = urlsplit(new_database()["PADA_DATABASE_URL"])
    with TcpProxy(url.port or 5432) as proxy:
        address = f"postgresql://pada@127.0.0.1:{proxy.port}{url.path}"
        with serve(tmp_path / "home", PADA_DATABASE_URL=address, **lease) as service:
            run = service.start_run(config)
            service.wait(run, stage="analyze_errors", seconds=240)
            began = time.time()
            proxy.go_away()
            answer = httpx.get(f"{service.url}/v1/runs/{run}", timeout=60)
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
            assert httpx.get(f"{service.url}/healthz").status_code == 200
            time.sleep(seconds)
            proxy.come_back()
            ended = time.time()
            check_end(service, run, expected)
    if lease:
        return  # another process has taken it over in the middle of its calls
    away = [began + tenth / 10 for tenth in range(int((ended - began) * 10) + 1)]
    assert needless(repeats(teacher.of_run(run)), away) == []
