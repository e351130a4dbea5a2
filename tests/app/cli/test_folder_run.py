"""Where a run in a folder stands, from what its processes have left there; `tests/pada/test_runs.py` starts real ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app.cli.folder_run import LOG, FolderRun
from app.engine.events import (
    Event,
    ReviewRequested,
    RoundScore,
    RunStatusChanged,
    StageProgress,
    StageStarted,
    TeacherSpend,
)
from app.engine.run_folder import owned
from app.errors import FolderError, PadaError
from app.launchers.processes import Process
from trainer.artifacts import write_json, write_jsonl

RUNNING = RunStatusChanged(status="running")
SCORE = RoundScore(
    round=0, metric="accuracy", validation=0.5, ci95=(0.4, 0.6), promoted=True, reason="The baseline."
)


def run_with(folder: Path, *events: Event) -> FolderRun:
    (folder / "config.yaml").write_text("task: classification")
    (folder / "run.json").write_text("{}")
    stored = (event.model_copy(update={"id": number}) for number, event in enumerate(events, 1))
    if events:
        write_jsonl(folder / "events.jsonl", [event.to_json() for event in stored])
    return FolderRun(folder)


def test_a_run_at_work_shows_its_stage_and_spending(tmp_path: Path) -> None:
    run = run_with(
        tmp_path,
        RUNNING,
        SCORE,
        TeacherSpend(calls=3, usd=0.5, tokens=9),
        StageStarted(name="augment"),
        StageProgress(name="augment", done=2, total=5),
    )
    with owned(tmp_path):
        state = run.state()
        assert (state.status, state.stage, state.round) == ("running", "augment", 0)
        assert state.progress is not None
        assert (state.progress.done, state.progress.total) == (2, 5)
        assert state.cost is not None
        assert state.cost.usd == 0.5
    assert run.state().stage is None, "nobody works on it any more"


def test_a_run_whose_process_was_killed_is_paused(tmp_path: Path) -> None:
    run = run_with(tmp_path, RunStatusChanged(status="paused", reason="Before."), RUNNING)
    dead = Process.find(os.getpid())
    assert dead is not None
    (tmp_path / ".lock").write_text(str(dead).rpartition(" ")[0] + " 1")  # another process had this pid
    state = run.state()
    assert (state.status, "start it again" in state.reason) == ("paused", True)
    assert run.wait().status == "paused"


def test_a_run_at_work_on_another_machine_is_running_and_cannot_be_stopped_here(tmp_path: Path) -> None:
    run = run_with(tmp_path, RUNNING)
    (tmp_path / ".lock").write_text("another-boot/pid:[1] 1 1")
    assert run.state().status == "running"
    with pytest.raises(FolderError, match="another machine"):
        run.stop()


def test_the_error_of_a_start_that_said_nothing_else_is_the_reason(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    assert run.state().reason == "It has not been started."
    (tmp_path / LOG).write_text("Reading ...\npada: rows.jsonl, line 1: no JSON.\nWrite one object a line.\n")
    state = run.state()
    assert state.status == "failed"
    assert state.reason == "rows.jsonl, line 1: no JSON.\nWrite one object a line."
    with pytest.raises(PadaError, match="no JSON"):
        run.wait()


def test_a_review_is_shown_only_while_the_run_waits_for_it(tmp_path: Path) -> None:
    asked = ReviewRequested(about="patterns", round=1, patterns=["r1-p0"])
    paused = RunStatusChanged(status="paused", reason="It waits.")
    for waiting_for in ("review", "budget"):
        folder = tmp_path / waiting_for
        folder.mkdir()
        run = run_with(folder, RUNNING, asked, paused)
        write_json(folder / "report.json", {"waiting_for": waiting_for})
        state = run.state()
        assert state.waiting_for == waiting_for
        assert (state.review is not None) == (waiting_for == "review")


def test_events_begin_where_they_are_and_end_with_the_work(tmp_path: Path) -> None:
    run = run_with(tmp_path, RUNNING, SCORE)
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write(json.dumps({"type": "run"})[:5])  # a line that is not whole yet
    assert [event.type for event in run.events()] == ["run", "score"]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="not the folder of a run"):
        FolderRun(tmp_path)
