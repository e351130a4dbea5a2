"""Runs of a service that are cancelled, paused, reviewed, killed or given back."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.command import pada
from tests.conftest import Run
from tests.service import Service


@pytest.mark.slow
def test_cancel_is_quick_and_keeps_what_there_is(service: Service, config: dict[str, Any]) -> None:
    run = service.start_run(config | {"seed": 3})
    service.wait(run, stage="fine_tune", seconds=60)
    began = time.monotonic()
    assert service.post(f"/{run}/cancel").json()["status"] == "running"
    ended = service.wait(run, seconds=30)
    assert ended["status"] == "cancelled"
    assert time.monotonic() - began < 30
    assert service.post(f"/{run}/resume").status_code == 409
    assert service.events(run)[-1]["status"] == "cancelled"


@pytest.mark.slow
def test_pause_and_resume(service: Service, config: dict[str, Any], whole_run: Run) -> None:
    run = service.start_run(config)
    service.wait(run, stage="augment")
    service.post(f"/{run}/pause")
    waiting = service.wait(run, "paused")
    assert waiting["waiting_for"] == "user"
    assert service.post(f"/{run}/resume").json()["status"] == "queued"
    assert service.wait(run)["status"] == "finished"
    assert service.get(f"/{run}/report")["test"] == whole_run.report["test"]


@pytest.mark.slow
def test_a_review_is_asked_for_and_answered(service: Service, config: dict[str, Any], tmp_path: Path) -> None:
    run = service.start_run(config | {"loop": config["loop"] | {"review": True, "rounds": 1}})
    waiting = service.wait(run, "paused")
    assert waiting["waiting_for"] == "review"
    assert service.post(f"/{run}/resume").status_code == 409
    patterns = [row["id"] for row in service.get(f"/{run}/patterns")["items"]]
    assert waiting["review"] == {
        "about": "patterns", "round": 1, "patterns": patterns, "accepted": None, "rejected": None,
    }  # fmt: skip
    refused(service, run, {"veto": ["r9-p9"]}, "No such pattern: r9-p9")
    refused(service, run, {"reject": ["r1-b0-a1-0"]}, "The review is about patterns")
    asked = json.loads(pada("runs", "review", run, "--server", service.url).stdout)
    assert (
        [row["id"] for row in asked["patterns"]]
        == [row["pattern"] for row in asked["strategies"]]
        == patterns
    )
    vetoed = service.post(f"/{run}/review", {"veto": patterns[:1]})
    assert (vetoed.status_code, vetoed.json()["review"]) == (202, None)

    waiting = service.wait(run, "paused")
    rows = service.get(f"/{run}/samples", round=1, limit=1000)["items"]
    accepted = [row["id"] for row in rows if row["verdict"] == "accepted"]
    judged = [row["id"] for row in rows if row["verdict"] == "judge"]
    assert waiting["review"] == {
        "about": "rows", "round": 1, "patterns": [],
        "accepted": len(accepted), "rejected": len(rows) - len(accepted),
    }  # fmt: skip
    refused(service, run, {"veto": patterns[:1]}, "The review is about rows")
    refused(service, run, {"about": "patterns"}, "The review is about rows, not patterns.")
    refused(service, run, {"round": 2, "reject": accepted[:1]}, "The review is about round 1, not 2.")
    refused(service, run, {"reject": ["nobody"]}, "No such row in this round: nobody.")
    invalid = next(row["id"] for row in rows if row["verdict"] == "invalid")
    refused(service, run, {"accept": [invalid]}, f"{invalid} (invalid: not valid for the task)")
    answer = {"about": "rows", "round": 1, "reject": accepted[:2], "accept": judged[:1]}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    told = pada("runs", "review", run, "--answer", tmp_path / "answer.json", "--server", service.url)
    assert (told.returncode, told.stdout.split()[:1]) == (0, [f"{run}:"]), told.stderr

    assert service.wait(run)["status"] == "finished"
    assert service.get(f"/{run}/samples", pattern=patterns[0])["items"] == []
    after = service.get(f"/{run}/samples", round=1, verdict="accepted", limit=1000)["items"]
    assert {row["id"] for row in after} == {*accepted[2:], judged[0]}
    report = service.get(f"/{run}/report")
    assert report["accepted"] == report["rounds"][1]["accepted"] == len(accepted) - 1
    assert report["rounds"][1]["verdicts"]["reviewer"] == 2
    assert report["rounds"][1]["accepted_by_reviewer"] == 1
    questions = [event for event in service.events(run) if event["type"] == "review"]
    assert [event["about"] for event in questions] == ["patterns", "rows"]


def refused(service: Service, run: str, answer: dict[str, Any], words: str) -> None:
    response = service.post(f"/{run}/review", answer)
    assert response.status_code == 409, response.text
    assert words in response.json()["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["fine_tune", "augment"])
def test_a_killed_service_loses_nothing(
    service: Service, config: dict[str, Any], whole_run: Run, stage: str
) -> None:
    run = service.start_run(config)
    service.wait(run, stage=stage, seconds=60)
    service.kill()
    service.start()
    ended = service.wait(run)
    assert ended["status"] == "finished", ended
    assert service.get(f"/{run}/report")["test"] == whole_run.report["test"]
    events = service.events(run)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))


@pytest.mark.slow
def test_a_run_whose_workers_all_crash_is_given_up_and_can_be_resumed(
    service: Service, config: dict[str, Any]
) -> None:
    run = service.start_run(config | {"loop": {"method": "vanilla"}, "seed": 7})
    for _ in range(5):
        worker = service.worker(run)
        os.kill(worker, signal.SIGKILL)
        while Path(f"/proc/{worker}").exists():
            time.sleep(0.02)
    failed = service.wait(run, "failed", seconds=10)
    assert "signal 9" in failed["reason"]
    assert service.post(f"/{run}/resume").json()["status"] == "queued"
    assert service.wait(run)["status"] == "finished"


@pytest.mark.slow
def test_sigterm_gives_the_run_back(service: Service, config: dict[str, Any]) -> None:
    run = service.start_run(config | {"loop": {"method": "vanilla"}})
    service.wait(run, stage="fine_tune", seconds=60)
    began = time.monotonic()
    assert service.terminate() == 0
    assert time.monotonic() - began < 30
    service.start()
    assert service.wait(run)["status"] == "finished"
    told = [event["status"] for event in service.events(run) if event["type"] == "run"]
    assert told == ["queued", "running", "queued", "running", "finished"]
