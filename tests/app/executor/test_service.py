"""Runs over HTTP, end to end: a real service, real workers and trainers, real kills; only the teacher is played."""

from __future__ import annotations

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.command import CANARY, pada
from tests.conftest import Run
from tests.service import Service


@pytest.fixture(scope="module")
def ended(service: Service, config: dict[str, Any]) -> dict[str, Any]:
    """A run that has ended undisturbed."""
    return service.wait(service.start_run(config))


def test_a_run_ends_as_on_the_command_line(service: Service, ended: dict[str, Any], whole_run: Run) -> None:
    assert ended["status"] == "finished", ended
    report = service.get(f"/{ended['id']}/report")
    for key in ("accepted", "baseline", "best", "test", "stopped"):
        assert report[key] == whole_run.report[key], key
    assert [score["validation"] for score in ended["scores"]] == [
        item["validation"] for item in whole_run.report["rounds"]
    ]
    assert ended["cost"]["calls"] == whole_run.report["cost"]["calls"]
    assert report["run_id"] == ended["id"]


def test_events_are_numbered_without_a_gap_and_end_with_the_run(
    service: Service, ended: dict[str, Any]
) -> None:
    events = service.events(ended["id"])
    assert [event["id"] for event in events] == list(range(1, ended["last_event"] + 1))
    told = [event["status"] for event in events if event["type"] == "run"]
    assert told == ["queued", "running", "finished"]
    done = {event["name"] for event in events if event["type"] == "stage" and event["state"] == "done"}
    assert {"fine_tune", "augment", "finish"} <= done


def test_a_broken_stream_goes_on_where_it_was(service: Service, ended: dict[str, Any]) -> None:
    whole = service.events(ended["id"])
    rng = random.Random(1)
    read: list[dict[str, Any]] = []
    while len(read) < len(whole):
        last = read[-1]["id"] if read else 0
        read += service.events(ended["id"], last, most=rng.randint(1, 9))
    assert read == whole


def test_metrics_hold_what_runs_cost_and_took(service: Service, ended: dict[str, Any]) -> None:
    lines = dict(
        line.rsplit(" ", 1)
        for line in httpx.get(f"{service.url}/metrics").text.splitlines()
        if not line.startswith("#")
    )
    assert float(lines['pada_teacher{what="calls"}']) == ended["cost"]["calls"] > 0
    assert float(lines['pada_teacher{what="tokens"}']) == ended["cost"]["tokens"] > 0
    seconds = service.get(f"/{ended['id']}/report")["seconds"]
    for stage in ("fine_tune", "augment", "finish"):
        assert float(lines[f'pada_stage_seconds{{stage="{stage}"}}']) == pytest.approx(
            seconds[stage], abs=0.01
        )
    assert float(lines['pada_runs{status="finished"}']) == 1


def test_samples_are_filtered_and_come_in_pages(
    service: Service, ended: dict[str, Any], whole_run: Run
) -> None:
    run = f"/{ended['id']}"
    accepted = [row for number in (1, 2) for row in whole_run.rows(f"rounds/{number}/accepted.jsonl")]
    items, cursor = [], 0
    while cursor is not None:
        page = service.get(f"{run}/samples", verdict="accepted", limit=7, cursor=cursor)
        assert len(page["items"]) <= 7
        items += page["items"]
        cursor = page["next"]
    assert [row["id"] for row in items] == [row["id"] for row in accepted]
    pattern = next(row["pattern"] for row in items if row["pattern"])
    of_pattern = service.get(f"{run}/samples", pattern=pattern, limit=1000)["items"]
    assert {row["pattern"] for row in of_pattern} == {pattern}
    line = service.get(f"{run}/lineage/{of_pattern[0]['id']}")
    assert line["sample"] == of_pattern[0]
    assert line["pattern"]["id"] == line["strategy"]["pattern"] == pattern


def test_what_a_run_made_can_be_taken_home_in_parts(service: Service, ended: dict[str, Any]) -> None:
    run = f"/{ended['id']}"
    files = {item["path"]: item["bytes"] for item in service.get(f"{run}/artifacts")["items"]}
    adapter = "rounds/0/student/adapter/adapter_model.safetensors"
    on_disk = (service.home / "runs" / ended["id"] / adapter).read_bytes()
    assert files[adapter] == len(on_disk)
    part = httpx.get(f"{service.url}/v1/runs{run}/artifacts/{adapter}", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == on_disk[10:20]
    assert not [path for path in files if "ledger" in path or "checkpoints.sqlite" in path or "/." in path]


@pytest.mark.parametrize(
    "path", ["ledger.sqlite", "..%2F..%2Fpada.sqlite", "%2Fetc%2Fpasswd", "no.json%00", "owners/1", "x" * 300]
)
def test_what_is_not_public_is_not_there(service: Service, ended: dict[str, Any], path: str) -> None:
    answer = httpx.get(f"{service.url}/v1/runs/{ended['id']}/artifacts/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_hundred_posts_with_one_key_are_one_run(service: Service, config: dict[str, Any]) -> None:
    body = {"config": config | {"loop": {"method": "vanilla"}, "seed": 99}}
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: service.post("", body, **{"Idempotency-Key": "once"}), range(100)))
    assert {answer.status_code for answer in answers} == {202}
    (name,) = {answer.json()["id"] for answer in answers}
    other = service.post("", {"config": config}, **{"Idempotency-Key": "once"})
    assert other.status_code == 422
    assert service.post(f"/{name}/cancel").status_code == 202
    assert service.wait(name)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"output": "/tmp/elsewhere"}, "output"),
        ({"data": {"folder": "/etc"}}, "PADA_ALLOWED_PATHS"),
        ({"student": {"model": "/etc"}}, "student.model"),
        ({"task": "os:system"}, "task"),
        (
            {"teacher": {"base_url": "http://other.example/v1", "model": "m", "api_key_env": "TINY_KEY"}},
            "TINY_KEY",
        ),
        ({"loop": {"round": 3}}, "loop.round"),
    ],
)
def test_what_a_stranger_may_not_ask_for(
    service: Service, config: dict[str, Any], change: dict[str, Any], word: str
) -> None:
    answer = service.post("", {"config": config | change})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.json()["detail"]


@pytest.mark.slow
def test_the_command_line_is_a_client(
    service: Service, config: dict[str, Any], tmp_path: Path, whole_run: Run
) -> None:
    document = tmp_path / "config.yaml"
    document.write_text(json.dumps(config))
    done = pada("run", document, "--server", service.url)
    assert done.returncode == 0, done.stderr
    assert f"{service.url}/v1/runs/" in done.stdout.splitlines()[-1]
    run = done.stdout.splitlines()[-1].rsplit("/", 1)[-1]
    assert service.get(f"/{run}/report")["test"] == whole_run.report["test"]

    again = pada("runs", "watch", run, "--server", service.url)
    assert (again.returncode, again.stdout) == (0, done.stdout), "it is followed from its beginning"
    page = tmp_path / "report.html"
    assert pada("runs", "report", run, "--server", service.url, "--html", page).returncode == 0
    assert run in page.read_text()


def test_the_key_of_the_teacher_is_nowhere(service: Service, ended: dict[str, Any]) -> None:
    for path in service.home.parent.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_readers_that_come_while_it_runs_miss_nothing(service: Service, config: dict[str, Any]) -> None:
    run = service.start_run(config | {"loop": {"method": "vanilla"}, "seed": 5})
    seen: list[list[int]] = [[] for _ in range(8)]

    def read(place: int) -> None:
        time.sleep(place / 4)
        seen[place] = [event["id"] for event in service.events(run)]

    readers = [threading.Thread(target=read, args=(place,)) for place in range(8)]
    for reader in readers:
        reader.start()
    service.wait(run)
    for reader in readers:
        reader.join(20)
    whole = list(range(1, service.get(f"/{run}")["last_event"] + 1))
    assert all(ids == whole for ids in seen)
