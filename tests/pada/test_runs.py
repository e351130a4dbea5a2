"""`import pada`: runs in folders, worked on by real processes, and read as data frames."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import pada
from app.engine.events import Event, StageStarted
from app.report.tables import ANSWER, PATTERN
from tests.command import CANARY
from tests.conftest import Run
from tests.processes import processes_of
from tests.reviewed_run import run_to_review
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for, label_of, write_data


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", CANARY)


@pytest.fixture(scope="module")
def loaded(whole_run: Run) -> pada.Run:
    return pada.load(whole_run.folder)


# reading


def test_a_run_is_opened_with_its_result(loaded: pada.Run, whole_run: Run) -> None:
    assert (loaded.folder, loaded.status) == (whole_run.folder, "finished")
    assert loaded.report.model_dump(mode="json") == whole_run.report
    assert loaded.state.reason == whole_run.report["stopped"]
    assert loaded.summary.splitlines()[0] in whole_run.done.stdout
    assert [round.number for round in loaded.rounds] == [0, 1, 2]
    assert loaded.review is None


def test_patterns_are_a_frame_with_what_became_of_them(loaded: pada.Run, whole_run: Run) -> None:
    frame = loaded.rounds[1].patterns
    assert list(frame.columns) == list(PATTERN)
    reported = {pattern["id"]: pattern for pattern in whole_run.report["rounds"][1]["patterns"]}
    assert reported
    assert dict(zip(frame["id"], frame["name"], strict=True)) == {
        name: pattern["name"] for name, pattern in reported.items()
    }
    for row in frame.to_dict("records"):
        told = reported[row["id"]]
        for column in (
            "strategy",
            "instructions",
            "size",
            "accepted",
            "rejected",
            "fixed",
            "unmoved",
            "regressed",
            "failures",
        ):
            assert row[column] == told[column], column
    assert set(frame["id"]) < set(loaded.patterns["id"])


def test_new_rows_are_a_frame_with_their_verdicts(loaded: pada.Run, whole_run: Run) -> None:
    frame = loaded.rounds[1].rows
    assert dict(Counter(frame["verdict"])) == whole_run.report["rounds"][1]["verdicts"]
    accepted = frame[frame["verdict"] == "accepted"]
    assert [label_of(prompt) for prompt in accepted["prompt"]] == list(accepted["completion"])
    assert len(loaded.rows) == sum(sum(item["verdicts"].values()) for item in whole_run.report["rounds"])


def test_predictions_are_a_frame_with_their_scores(loaded: pada.Run, whole_run: Run) -> None:
    for round, told in zip(loaded.rounds, whole_run.report["rounds"], strict=True):
        frame = round.predictions
        assert list(frame.columns) == list(ANSWER)
        assert [label_of(prompt) for prompt in frame["prompt"]] == list(frame["expected"])
        right = frame["predicted"].str.strip() == frame["expected"]
        assert right.mean() == pytest.approx(told["validation"])
        assert list(right) == list(frame["correct"])


def test_scores_are_a_frame_with_a_row_for_each_student(loaded: pada.Run, whole_run: Run) -> None:
    frame = loaded.scores
    told = whole_run.report["rounds"]
    assert list(frame["validation"]) == [item["validation"] for item in told]
    assert list(zip(frame["low"], frame["high"], strict=True)) == [tuple(item["ci95"]) for item in told]
    assert list(frame["promoted"]) == [item["promoted"] for item in told]


def test_the_baseline_has_empty_frames_with_the_same_columns(loaded: pada.Run) -> None:
    baseline, first = loaded.rounds[0], loaded.rounds[1]
    assert (len(baseline.patterns), len(baseline.rows)) == (0, 0)
    assert list(baseline.patterns.columns) == list(first.patterns.columns)
    assert list(baseline.rows.columns) == list(first.rows.columns)


def test_without_pandas_only_frames_are_missing(loaded: pada.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert loaded.report.status == "finished"
    with pytest.raises(pada.PadaError, match=r"pip install 'pada\[pandas\]'"):
        _ = loaded.rounds[1].patterns


def test_a_folder_without_a_run_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(pada.PadaError, match="not the folder of a run"):
        pada.load(tmp_path)


def test_another_project_with_a_package_of_the_same_name_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pada.namesakes import refuse_namesakes

    refuse_namesakes()
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "app")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match=str(tmp_path / "app")):
        refuse_namesakes()


# starting


def test_a_run_that_has_ended_is_started_again_without_work(
    whole_run: Run, scripted_teacher: ScriptedTeacherServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a notebook sets it
    folder = shutil.copytree(whole_run.folder, tmp_path / "run")
    asked, heard = len(scripted_teacher.seen), list[Event]()
    run = pada.run(whole_run.config, folder, show=heard.append)
    assert run.status == "finished"
    assert run.report.model_dump(include={"rounds", "test"}) == pada.load(whole_run.folder).report.model_dump(
        include={"rounds", "test"}
    )
    assert len(scripted_teacher.seen) == asked
    assert [event.type for event in heard] == ["power", "run", "run"], "only the events of this start"
    log = (folder / "run.log").read_text()
    assert "report.html" in log
    assert "\x1b" not in log


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


def test_rows_that_cannot_be_used_are_the_error_of_the_run(tmp_path: Path) -> None:
    rows = write_data(tmp_path / "rows")
    (rows / "test.jsonl").write_text("no row\n")
    config = {"task": "classification", "data": str(rows), "loop": {"method": "vanilla"}}
    with pytest.raises(pada.PadaError, match=r"test\.jsonl.*1"):
        pada.run(config, tmp_path / "run", show=False)
    run = pada.load(tmp_path / "run")
    assert run.status == "failed"
    assert "test.jsonl" in run.state.reason
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


def test_a_run_that_waits_for_nothing_takes_no_answer(loaded: pada.Run) -> None:
    with pytest.raises(pada.PadaError, match="does not wait for a review"):
        loaded.answer()
