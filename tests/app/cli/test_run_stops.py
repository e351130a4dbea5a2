"""`pada run` that is stopped in many ways: budgets, reviews, a teacher that is down; and what it ends with."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.command import pada
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for, write_config

pytestmark = pytest.mark.student


class Story:
    """One run that is stopped in many ways: each step is one start of a command, done once for all tests."""

    def __init__(self, folder: Path, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer):
        self.folder, self.scripted_teacher = folder / "run", scripted_teacher
        self._file = folder / "config.yaml"
        self._data, self._student = data, student
        self.steps: dict[str, tuple[subprocess.CompletedProcess[str], int, dict[str, Any]]] = {}
        self.accepted: dict[str, Any] = {}
        self.judged: dict[str, Any] = {}

    def config(self, **budget: int) -> Path:
        """The config with this budget; everything else stays."""
        loop = {"rounds": 1, "review": True, "max_train_failures": 40}
        return write_config(
            self._file,
            config_for(self._data, self._student, self.scripted_teacher.url, loop=loop, budget=budget),
        )

    def step(self, name: str, *arguments: object) -> None:
        """Start a command, and keep how it ended, how many calls there were so far, and the report."""
        done = pada(*arguments)
        run = json.loads((self.folder / "report.json").read_text())
        self.steps[name] = done, len(self.scripted_teacher.of_run(run["run_id"])), run

    def rows(self, verdict: str) -> list[dict[str, Any]]:
        """The rows of the round with this verdict."""
        lines = (self.folder / "rounds/1/rows.jsonl").read_text().splitlines()
        return [row for row in map(json.loads, lines) if row["verdict"] == verdict]

    def run(self, name: str, **budget: int) -> None:
        self.step(name, "run", self.config(**budget), "--output", self.folder)


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory,
    student: Path,
    data: Path,
    scripted_teacher: ScriptedTeacherServer,
) -> Story:
    told = Story(tmp_path_factory.mktemp("story"), data, student, scripted_teacher)
    told.run("no budget", max_calls=0)
    shutil.copytree(told.folder, told.folder.with_name("baseline"))
    told.run("small budget", max_calls=10)
    told.run("review")
    told.step("shown", "review", told.folder)
    told.run("still waiting")
    vetoed = told.steps["shown"][0].stdout.split()[0]
    scripted_teacher.fault = lambda schema, data: server_error() if schema == "SampleBatch" else None
    told.step("down", "review", told.folder, "--veto", vetoed, "--approve")
    scripted_teacher.fault = lambda schema, data: None
    told.run("rows")
    told.step("rows shown", "review", told.folder)
    told.accepted, told.judged = (told.rows(verdict)[0] for verdict in ("accepted", "judge"))
    told.step("wrong", "review", told.folder, "--veto", vetoed)
    told.step("end", "review", told.folder, "--reject", told.accepted["id"], "--accept", told.judged["id"])
    return told


def server_error() -> Any:
    from fastapi.responses import JSONResponse

    return JSONResponse({"error": {"message": "overloaded", "type": "server_error"}}, 503)


def test_without_budget_it_pauses_after_the_baseline(story: Story) -> None:
    done, calls, report = story.steps["no budget"]
    assert done.returncode == 3
    assert calls == 0
    assert report["status"] == "paused"
    assert [item["round"] for item in report["rounds"]] == [0]
    assert report["test"] is None
    assert "budget.max_calls" in done.stdout
    assert done.stdout.splitlines()[-1] == str(story.folder)


def test_at_the_cap_it_pauses_and_never_passes_it(story: Story) -> None:
    done, calls, report = story.steps["small budget"]
    assert done.returncode == 3
    assert calls == report["cost"]["calls"] == 10
    assert "budget.max_calls" in report["stopped"]


def test_a_raised_cap_goes_on_to_the_review(story: Story) -> None:
    done, _, report = story.steps["review"]
    assert done.returncode == 3
    assert "pada review" in report["stopped"]
    run = story.scripted_teacher.of_run(report["run_id"])
    assert not [call for call in run[: story.steps["review"][1]] if call.schema == "SampleBatch"]


def test_review_shows_patterns_and_strategies(story: Story) -> None:
    done, calls, _ = story.steps["shown"]
    assert done.returncode == 0, done.stderr
    assert calls == story.steps["review"][1]
    assert "r1-p0  Unknown words for" in done.stdout
    assert "--approve" in done.stdout


def test_without_an_answer_it_goes_on_waiting(story: Story) -> None:
    done, calls, _ = story.steps["still waiting"]
    assert done.returncode == 3
    assert calls == story.steps["review"][1]


def test_a_teacher_that_is_down_pauses_the_run(story: Story) -> None:
    done, _, report = story.steps["down"]
    assert done.returncode == 3
    assert report["status"] == "paused"
    assert "overloaded" in report["stopped"] or "503" in report["stopped"]
    assert "Traceback" not in done.stderr


def test_after_all_that_it_ends_and_nothing_was_paid_twice(story: Story) -> None:
    done, _, report = story.steps["end"]
    assert done.returncode == 0, done.stderr
    assert report["status"] == "finished"
    assert report["test"]["n"] == 40
    asked = [c for c in story.scripted_teacher.of_run(report["run_id"]) if c.sent is not None]
    assert len({call.hash for call in asked}) == len(asked) == report["cost"]["calls"]


def test_a_vetoed_pattern_gets_no_rows(story: Story) -> None:
    _, _, report = story.steps["end"]
    vetoed, *others = report["rounds"][1]["patterns"]
    assert vetoed["id"] == story.steps["shown"][0].stdout.split()[0]
    assert (vetoed["planned"], vetoed["accepted"], vetoed["rejected"]) == (0, 0, 0)
    assert others
    assert sum(pattern["planned"] for pattern in others) == 12
    assert all(pattern["accepted"] for pattern in others)


def test_review_shows_the_rows_to_decide_on(story: Story) -> None:
    paused, calls, report = story.steps["rows"]
    assert paused.returncode == 3
    assert "rejected) wait for a review" in report["stopped"]
    done, then, _ = story.steps["rows shown"]
    assert done.returncode == 0, done.stderr
    assert then == calls
    lines = done.stdout.splitlines()
    for row, verdict in ((story.accepted, "accepted"), (story.judged, "judge")):
        (line,) = (line for line in lines if row["id"] in line.split())
        assert {verdict, row["completion"], row["pattern"] or row["source"]} <= set(line.split())
        assert row["prompt"].splitlines()[1].split()[1] in line
    assert not any(row["id"] in done.stdout for row in story.rows("invalid"))
    assert "that nobody can accept are not shown (invalid)" in done.stdout
    assert "--reject ID" in done.stdout


def test_an_answer_to_another_review_is_refused_at_once(story: Story) -> None:
    done, calls, report = story.steps["wrong"]
    assert done.returncode == 1
    assert "answer: The review is about rows: it takes accept, reject, not veto." in done.stderr
    assert "Traceback" not in done.stderr
    assert (calls, report) == story.steps["rows"][1:]


def test_the_report_counts_what_the_reviewer_decided(story: Story) -> None:
    _, _, report = story.steps["end"]
    _, reviewed = report["rounds"]
    assert [row["id"] for row in story.rows("reviewer")] == [story.accepted["id"]]
    assert reviewed["verdicts"]["reviewer"] == reviewed["accepted_by_reviewer"] == 1
    assert report["accepted"] == reviewed["accepted"] == len(story.rows("accepted"))
    assert reviewed["train_rows"] == 40 + reviewed["accepted"]
    assert story.judged["id"] in {row["id"] for row in story.rows("accepted")}
    page = (story.folder / "report.html").read_text()
    assert "a reviewer accepted 1 row that the checks had rejected" in page


def test_finish_scores_what_there_is(story: Story) -> None:
    """On a copy of the run as it was after the baseline."""
    folder = story.folder.with_name("baseline")
    calls = len(story.scripted_teacher.seen)
    done = pada("run", story.config(max_calls=0), "--output", folder, "--finish")
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == "finished"
    assert "finish" in report["stopped"]
    assert (
        report["test"]["baseline"]
        == report["test"]["best"]
        == pytest.approx(story.steps["end"][2]["test"]["baseline"])
    )
    assert report["test"]["difference"] == 0
    assert len(story.scripted_teacher.seen) == calls
