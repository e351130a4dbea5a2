"""`pada.run`: runs that real processes work on, are stopped, fail, and wait for a review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pada
from app.engine.events import Event, StageStarted
from tests.command import CANARY
from tests.processes import processes_of
from tests.reviewed_run import run_to_review
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for, write_data


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", CANARY)


def test_configs_that_cannot_be_used_are_errors_before_anything_starts(tmp_path: Path, data: Path) -> None:
    good = {"task": "classification", "data": str(data), "loop": {"method": "vanilla"}}
    for config, output, said in (
        (good, None, "give the run's folder"),
        (good | {"taks": 1}, tmp_path / "run", "taks: unknown key"),
        (tmp_path / "none.yaml", None, "there is no such file"),
        (good, data, "not empty"),
    ):
        with pytest.raises(pada.PadaError, match=said):
            pada.run(config, output)
    assert not (tmp_path / "run").exists()


def test_rows_that_cannot_be_used_are_an_error_and_leave_no_run(tmp_path: Path) -> None:
    rows = write_data(tmp_path / "rows")
    (rows / "test.jsonl").write_text("no row\n")
    config = {"task": "classification", "data": str(rows), "loop": {"method": "vanilla"}}
    with pytest.raises(pada.PadaError, match=r"test\.jsonl.*1"):
        pada.run(config, tmp_path / "run", show=False, wait=False)
    assert not (tmp_path / "run").exists()
    assert any("test.jsonl" in place.file for found in pada.check(config).faults for place in found.places)


def stop_at(name: str) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        if isinstance(event, StageStarted) and event.name == name:
            raise KeyboardInterrupt

    return hear


@pytest.mark.student
def test_interrupting_python_stops_a_run_that_is_waited_for(
    tmp_path: Path, data: Path, student: Path
) -> None:
    config = config_for(data, student, None, loop={"method": "vanilla"})
    with pytest.raises(KeyboardInterrupt):
        pada.run(config, tmp_path / "run", show=stop_at("fine_tune"))
    run = pada.load(tmp_path / "run")
    assert (run.status, run.report.status, run.state.waiting_for) == ("paused", "paused", "user")
    assert processes_of(tmp_path / "run") == []


@pytest.mark.student
def test_a_run_goes_on_by_itself_and_is_stopped_from_elsewhere(
    tmp_path: Path, data: Path, student: Path
) -> None:
    config = config_for(data, student, None, loop={"method": "vanilla"})
    started = pada.run(config, tmp_path / "run", wait=False)
    first = next(event for event in started.events() if isinstance(event, StageStarted))
    elsewhere = pada.load(tmp_path / "run")
    assert (first.name, elsewhere.status, elsewhere.state.stage) == ("fine_tune", "running", "fine_tune")
    with pytest.raises(pada.PadaError, match="another process is running this run"):
        pada.run(config, tmp_path / "run")
    assert elsewhere.stop().status == "paused"
    assert started.wait(show=False).status == "paused"
    assert processes_of(tmp_path / "run") == []


# reviews


@pytest.mark.student
async def test_a_review_is_read_and_answered(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    await run_to_review(tmp_path / "run", data, scripted_teacher.url)
    run = pada.load(tmp_path / "run")
    review, patterns = run.review, run.rounds[1].patterns
    assert review is not None
    assert (run.status, review.about, review.round) == ("paused", "patterns", 1)
    assert list(patterns["id"]) == review.patterns
    assert patterns["accepted"].isna().all()
    assert patterns["instructions"].str.len().min() > 0
    with pytest.raises(pada.PadaError, match="No such pattern: r9-p9"):
        run.answer({"veto": ["r9-p9"]})
    vetoed, *kept = review.patterns
    run.answer({"veto": [vetoed]}, show=False)
    following, rows = run.review, run.rounds[1].rows
    assert following is not None
    assert (following.about, following.accepted) == ("rows", (rows["verdict"] == "accepted").sum())
    assert set(rows["pattern"].dropna()) == set(kept)
