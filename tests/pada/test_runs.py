"""`pada.load`: a run in a folder, read as data frames."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

import pada
from app.engine.events import Event
from app.report.tables import ANSWER, PATTERN
from tests.command import CANARY
from tests.conftest import Run
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import label_of


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


def test_a_run_that_waits_for_nothing_takes_no_answer(loaded: pada.Run) -> None:
    with pytest.raises(pada.PadaError, match="does not wait for a review"):
        loaded.answer()
