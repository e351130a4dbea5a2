"""A row that a person adds to a run at work: a real service, real workers and trainers, a real kill."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.command import pada
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import allowing, serving
from tests.tiny_task import AFTER, BEFORE, config_for
from trainer.artifacts import read_jsonl

FIRST = f"{BEFORE}nobody could say where the repay of last autumn went{AFTER}"
SECOND = f"{BEFORE}since then every chargeback is a riddle to us{AFTER}"


@pytest.mark.slow
def test_it_is_trained_on_once_whatever_is_killed(
    tmp_path: Path, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    settings = allowing(scripted_teacher.url, data, student)
    config = config_for(data, student, scripted_teacher.url, loop={"rounds": 1, "review": True})
    with serving(tmp_path / "home", **settings) as service:
        run = service.start_run(config | {"data": {"folder": str(data)}})
        service.wait(run, "paused", seconds=240)
        added = service.post(f"/{run}/samples", {"prompt": FIRST, "completion": "refund"})
        assert (added.status_code, added.json()["sample"]["verdict"]) == (201, "waiting"), added.text
        name = added.json()["id"]
        service.post(f"/{run}/review", {})
        service.wait(run, stage="augment", seconds=120)
        os.kill(service.worker(run), signal.SIGKILL)
        service.wait(run, "paused", seconds=240)
        (row,) = service.get(f"/{run}/samples", origin="person")["items"]
        assert (row["id"], row["round"]) == (name, 1)
        assert row["verdict"] in ("accepted", "judge"), "the scripted judge is hard on some rows"

        late = pada(
            *("runs", "add-row", run, "--prompt", SECOND, "--completion", "refund", "--server", service.url)
        )
        assert "This run has begun its last round. The row is kept" in late.stdout, late.stderr
        refused = httpx.delete(f"{service.url}/v1/runs/{run}/samples/{name}", headers=service.headers)
        assert refused.status_code == 409
        service.post(f"/{run}/review", {"accept": [name]})
        assert service.wait(run, seconds=240)["status"] == "finished"
        report = service.get(f"/{run}/report")
        assert report["rounds"][1]["by_people"] == {"accepted": 1}
        assert report["rows_waiting"] == 1
        folder = service.home / "runs" / run / "rounds/1"
        accepted = [each["id"] for each in read_jsonl(folder / "accepted.jsonl")]
        assert accepted.count(name) == 1
        trained = json.loads((folder / "student/report.json").read_text())["rows"]
        assert trained == len(list(read_jsonl(data / "train.jsonl"))) + len(accepted)
