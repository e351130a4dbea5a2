"""Students on a real Ray cluster of two nodes with token authentication: `make ray`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigError
from app.launchers.ray import RayStudent
from app.launchers.ray_jobs import Cluster
from app.settings import Settings
from graphs.errors import ClusterDown, TrainerError
from tests.command import PADA, environment
from tests.conftest import Run
from tests.processes import processes_of, until
from tests.ray_cluster import RayCluster, ray_cluster
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, allowing, free_port, serving
from tests.tiny_task import config_for, write_config, write_rows
from trainer.specs import StudentSpec, TrainReport, TrainSpec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="`make ray` installs it"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as running:
        running.wait()
        yield running


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory,
    data: Path,
    student: Path,
    scripted_teacher: ScriptedTeacherServer,
    cluster: RayCluster,
) -> Iterator[Service]:
    settings = cluster.settings | {
        **allowing(scripted_teacher.url, data, student),
        "PADA_LEASE_SECONDS": "5",
        "PADA_HEARTBEAT_SECONDS": "1",
    }
    with serving(tmp_path_factory.mktemp("ray") / "home", **settings) as running:
        yield running


@pytest.fixture(scope="module")
def config(data: Path, student: Path, scripted_teacher: ScriptedTeacherServer) -> dict[str, Any]:
    return config_for(data, student, scripted_teacher.url) | {"data": {"folder": str(data)}}


@pytest.fixture(scope="module")
def long(data: Path, student: Path) -> dict[str, Any]:
    """One training of ten seconds or more, without a teacher."""
    config = config_for(data, student, None)
    longer = config["student"] | {"epochs": 60}
    return config | {"data": {"folder": str(data)}, "student": longer, "loop": {"method": "vanilla"}}


def endless(config: dict[str, Any]) -> dict[str, Any]:
    return config | {"student": config["student"] | {"epochs": 2000}}


def train_spec(data: Path, student: Path, output: Path, **student_keys: Any) -> TrainSpec:
    keys = {"template": "plain", "dtype": "float32", "epochs": 1, "max_length": 128}
    return TrainSpec(
        task="classification",
        student=StudentSpec(model=str(student), **(keys | student_keys)),
        train=[data / "train.jsonl"],
        output=output,
    )


def settings_for(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, **more: str) -> Settings:
    for name, value in (cluster.settings | more).items():
        monkeypatch.setenv(name, value)
    return Settings()


def student_of(service: Service, run: str) -> Path:
    """Where a run's first student is made."""
    return service.home / "runs" / run / "rounds/0/student"


def trainers_of(run: str) -> list[str]:
    """Command lines of processes that work on a run."""
    return [line for line in processes_of(Path(f"/{run}/rounds")) if "trainer." in line]


def test_a_run_on_the_cluster_ends_as_on_one_machine(
    service: Service, cluster: RayCluster, config: dict[str, Any], whole_run: Run
) -> None:
    run = service.start_run(config)
    ended = service.wait(run, seconds=240)
    assert ended["status"] == "finished", ended
    report = service.get(f"/{run}/report")
    for key in ("accepted", "baseline", "best", "test", "stopped"):
        assert report[key] == whole_run.report[key], key
    jobs = cluster.jobs(run)
    rounds = [f"rounds-{number}-student-{number + 1}" for number in range(3)]
    assert list(jobs) == [*rounds, "final-4"]
    assert {job["status"] for job in jobs.values()} == {"SUCCEEDED"}
    told = [event for event in service.events(run) if event["type"] == "trainer"]
    assert {event["stage"] for event in told} == {"load", "train", "predict", "done"}


def test_the_token_is_nowhere(service: Service, cluster: RayCluster) -> None:
    for path in service.home.parent.rglob("*"):
        if path.is_file():
            assert cluster.token.encode() not in path.read_bytes(), path


async def test_submitting_twice_is_one_job(
    cluster: RayCluster, data: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(cluster, monkeypatch)

    async def train() -> TrainReport:
        async with Cluster(settings) as own:
            there = RayStudent(settings, own, "twice", tmp_path, lambda _: None)
            return await there.fine_tune(train_spec(data, student, tmp_path / "student"))

    reports = await asyncio.gather(*(train() for _ in range(5)))
    reports.append(await train())
    assert all(report == reports[0] for report in reports)
    assert list(cluster.jobs("twice")) == ["student-1"]


def test_a_killed_service_finds_its_job_again(
    service: Service, cluster: RayCluster, long: dict[str, Any]
) -> None:
    run = service.start_run(long | {"seed": 11})
    cluster.wait_for(run, "rounds-0-student-1", "RUNNING")
    service.kill()
    killed = time.time()
    service.start()
    started = time.time()
    assert service.wait(run, seconds=240)["status"] == "finished"
    jobs = cluster.jobs(run)
    assert list(jobs) == ["rounds-0-student-1", "final-2"]
    job = jobs["rounds-0-student-1"]
    assert job["start_time"] / 1000 < killed < started < job["end_time"] / 1000
    report = json.loads((student_of(service, run) / "report.json").read_text())
    assert report["resumed_from"] == []


def test_cancel_stops_the_job(service: Service, cluster: RayCluster, long: dict[str, Any]) -> None:
    run = service.start_run(endless(long) | {"seed": 12})
    cluster.wait_for(run, "rounds-0-student-1", "RUNNING")
    until(lambda: trainers_of(run))
    began = time.monotonic()
    assert service.post(f"/{run}/cancel").status_code == 202
    cluster.wait_for(run, "rounds-0-student-1", "STOPPED", seconds=10)
    assert service.wait(run)["status"] == "cancelled"
    assert time.monotonic() - began < 30
    assert not trainers_of(run)


def test_a_run_that_is_cancelled_before_its_next_owner_has_looked_leaves_no_job(
    service: Service, cluster: RayCluster, long: dict[str, Any]
) -> None:
    run = service.start_run(endless(long) | {"seed": 13})
    cluster.wait_for(run, "rounds-0-student-1", "RUNNING")
    service.kill()
    service.start()
    assert service.post(f"/{run}/cancel").json()["status"] == "running"
    cluster.wait_for(run, "rounds-0-student-1", "STOPPED")
    assert service.wait(run)["status"] == "cancelled"
    assert not trainers_of(run)


def test_a_run_that_was_given_back_goes_on_in_a_new_job(
    service: Service, cluster: RayCluster, long: dict[str, Any]
) -> None:
    run = service.start_run(long | {"seed": 14})
    until(lambda: list(student_of(service, run).glob("checkpoints/step-*")))
    began = time.monotonic()
    assert service.terminate() == 0
    assert time.monotonic() - began < 30
    assert cluster.jobs(run)["rounds-0-student-1"]["status"] == "STOPPED"
    service.start()
    until((student_of(service, run) / "report.json").exists)
    assert list(cluster.jobs(run))[:2] == ["rounds-0-student-1", "rounds-0-student-2"]
    report = json.loads((student_of(service, run) / "report.json").read_text())
    assert report["resumed_from"]
    service.post(f"/{run}/cancel")
    service.wait(run)


async def test_a_student_that_is_cancelled_stops_its_job(
    cluster: RayCluster, data: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(cluster, monkeypatch)
    async with Cluster(settings) as own:
        there = RayStudent(settings, own, "cancelled", tmp_path, lambda _: None)
        spec = train_spec(data, student, tmp_path / "student", epochs=1000)
        work = asyncio.create_task(there.fine_tune(spec))
        await asyncio.to_thread(cluster.wait_for, "cancelled", "student-1", "RUNNING")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert cluster.jobs("cancelled")["student-1"]["status"] == "STOPPED"


async def test_a_failed_job_says_why_and_is_followed_by_another(
    cluster: RayCluster, data: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(cluster, monkeypatch)
    (tmp_path / "train.jsonl").write_text('{"id": 1}\n')
    spec = train_spec(tmp_path, student, tmp_path / "run" / "student")
    async with Cluster(settings) as own:
        there = RayStudent(settings, own, "mended", tmp_path / "run", lambda _: None)
        with pytest.raises(TrainerError, match=r"train\.jsonl"):
            await there.fine_tune(spec)
        write_rows(tmp_path / "train.jsonl", [{"id": "1", "prompt": "a parcel", "completion": "delivery"}])
        assert (await there.fine_tune(spec)).rows == 1
    statuses = {name: job["status"] for name, job in cluster.jobs("mended").items()}
    assert statuses == {"student-1": "FAILED", "student-2": "SUCCEEDED"}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"RAY_AUTH_TOKEN": "wrong"}, "refuses the token: RAY_AUTH_TOKEN"),
        ({"RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": "/nowhere"}, "needs the cluster's token"),
    ],
)
def test_a_token_that_is_wrong_or_missing_is_an_error_that_says_so(
    cluster: RayCluster, data: Path, student: Path, tmp_path: Path, told: dict[str, str], words: str
) -> None:
    config = config_for(data, student, None) | {"loop": {"method": "vanilla"}}
    command = [
        PADA,
        "run",
        str(write_config(tmp_path / "config.yaml", config)),
        "--output",
        str(tmp_path / "run"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment() | cluster.settings | told, timeout=60
    )
    assert done.returncode != 0
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert cluster.token not in done.stdout + done.stderr


async def test_a_cluster_that_stays_away_lets_the_run_wait(
    cluster: RayCluster, data: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    settings = settings_for(cluster, monkeypatch, PADA_RAY_ADDRESS=nobody, PADA_RAY_PATIENCE_SECONDS="1")
    async with Cluster(settings) as own:
        there = RayStudent(settings, own, "away", tmp_path, lambda _: None)
        with pytest.raises(ClusterDown, match=nobody):
            await there.fine_tune(train_spec(data, student, tmp_path / "student"))


async def test_a_job_whose_node_is_lost_is_followed_by_another(
    cluster: RayCluster, data: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(cluster, monkeypatch)
    spec = train_spec(data, student, tmp_path / "student", epochs=60, checkpoint_every=20)
    async with Cluster(settings) as own:
        there = RayStudent(settings, own, "lost", tmp_path, lambda _: None)
        work = asyncio.create_task(there.fine_tune(spec))
        await asyncio.to_thread(until, lambda: list(tmp_path.glob("student/checkpoints/step-*")))
        await asyncio.to_thread(cluster.lose_node)
        report = await work
    assert report.resumed_from
    statuses = {name: job["status"] for name, job in cluster.jobs("lost").items()}
    assert statuses == {"student-1": "FAILED", "student-2": "SUCCEEDED"}


async def test_a_cluster_is_waited_for_and_refused_if_it_lets_everybody_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ray_cluster(mode="disabled") as open_to_all:
        async with Cluster(settings_for(open_to_all, monkeypatch)) as own:
            with pytest.raises(ConfigError, match="RAY_AUTH_MODE=token"):
                await own.session()
        open_to_all.wait()
