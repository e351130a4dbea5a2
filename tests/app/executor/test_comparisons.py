"""A comparison that the service runs, end to end: a real service, a worker and trainers; only the teacher is played."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, allowing, serving
from tests.tiny_task import config_for
from trainer.artifacts import read_json

SECONDS = 240


def ask(service: Service, method: str, path: str = "", body: Any = None) -> dict[str, Any]:
    answer = httpx.request(method, f"{service.url}/v1/comparisons{path}", json=body, timeout=30)
    assert answer.status_code in (200, 202), answer.text
    document: dict[str, Any] = answer.json()
    return document


def wait(service: Service, name: str, status: str, *, trained: int = 0) -> dict[str, Any]:
    """Poll until the comparison has the status, and so many of its runs have a score."""
    deadline = time.monotonic() + SECONDS
    while True:
        shown = ask(service, "GET", f"/{name}")
        if shown["status"] == status and sum(bool(run["curve"]) for run in shown["runs"]) >= trained:
            return shown
        assert shown["status"] != "failed", shown["reason"]
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)


@pytest.mark.student
def test_a_comparison_waits_at_its_cap_and_goes_on_to_its_results(
    tmp_path: Path, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    config = config_for(data, student, scripted_teacher.url, loop={"rounds": 1, "synthetic_per_round": 8})
    config |= {"data": {"folder": str(data)}, "budget": {"max_calls": 1}, "evaluate_untrained": False}
    config["student"]["epochs"] = 1
    config["compare"] = {"methods": ["random"], "seeds": [0]}
    allowed = allowing(scripted_teacher.url, data, student)
    with serving(tmp_path / "home", **allowed) as service:
        name = ask(service, "POST", body={"config": config, "name": "tiny"})["id"]
        waiting = wait(service, name, "paused", trained=1)
        assert (waiting["waiting_for"], "random, seed 0" in waiting["reason"]) == ("budget", True)
        ask(service, "POST", f"/{name}/resume", {"budget": {"max_calls": 900}})
        ended = wait(service, name, "finished", trained=2)
    folder = tmp_path / "home" / "comparisons" / name
    assert (ended["ended"], ended["total"], ended["finished"]) == (2, 2, True)
    assert ended["results"] == read_json(folder / "compare.json")
    assert [row["method"] for row in ended["results"]["rows"]] == ["vanilla", "random"]
    assert ended["results"]["rows"][1]["calls"] > 1
    baselines = [
        folder / method / "seed-0" / "rounds" / "0" / "student" / "report.json"
        for method in ("vanilla", "random")
    ]
    first, second = (read_json(path)["seconds"] for path in baselines)
    assert first == second, "trained once, and shared"
