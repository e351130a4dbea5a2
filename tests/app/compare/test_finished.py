"""What is there once a comparison has ended: the runs, the results, the plan and what a service shows."""

from __future__ import annotations

import asyncio
import csv
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.api.comparisons.progress import Followed, compared_runs
from app.compare.files import write
from app.compare.models import Results
from app.compare.plan import Plan, make_plan
from app.compare.record import read_record
from app.compare.runs import Job, Runs
from app.compare.spec import load_comparison
from graphs.report import Report
from tests.app.compare.comparing import Once, compared, write_comparison
from tests.app.report.html_page import Page, values
from tests.scripted_teacher_server import Asked, ScriptedTeacherServer
from trainer.artifacts import read_json, read_jsonl


@dataclass
class Finished:
    """A comparison of plain fine-tuning, random rows and patterns, one seed each."""

    file: Path
    runs: Runs
    student: Once
    teacher: ScriptedTeacherServer
    planned: Plan
    """The plan before anything was trained."""
    seen: list[Asked]
    """What the teacher was asked for the plan and the comparison."""
    reports: dict[Job, Report]

    @property
    def root(self) -> Path:
        return self.runs.root

    @property
    def results(self) -> Results:
        return compared(self.runs, self.reports)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, data: Path, scripted_teacher: ScriptedTeacherServer
) -> Iterator[Finished]:
    folder, student = tmp_path_factory.mktemp("comparison"), Once()
    before = len(scripted_teacher.seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_KEY", "key")
        file = write_comparison(folder, data, scripted_teacher)
        runs = Runs(load_comparison(file), folder / "out", lambda *_: None, student)
        planned = asyncio.run(make_plan(runs, student))
        assert len(scripted_teacher.seen) == before, "nothing is asked for a plan"
        assert not (runs.root / "probe").exists(), "and nothing is left behind"
        student.trained.clear()
        reports = asyncio.run(runs.run())
        seen = scripted_teacher.seen[before:]
        yield Finished(file, runs, student, scripted_teacher, planned, seen, reports)


def test_the_plan_before_counts_every_validation_row_as_a_failure(finished: Finished) -> None:
    plan = finished.planned
    assert not plan.baseline_known
    assert plan.failures == 40, "all validation rows"
    vanilla, chance, _ = plan.methods
    assert (vanilla.calls, vanilla.rows, vanilla.usd) == (0, 0, 0)
    # a description of the task, and 24 rows in batches of 4, each written and judged
    assert (chance.rows, chance.calls, chance.most_calls) == (24, 13, 37)
    assert chance.usd is None, "no price is known of this teacher"


async def test_the_plan_afterwards_holds_what_it_took(finished: Finished) -> None:
    plan = await make_plan(finished.runs, finished.student)
    assert plan.baseline_known
    assert plan.failures < finished.planned.failures
    for one in plan.methods:
        report = finished.reports[one.method, 0]
        assert one.calls <= report.cost.calls <= one.most_calls
        sent = [len(asked.text) for asked in finished.seen if asked.run == report.run_id]
        if sent:
            assert 4 * one.tokens / one.calls == pytest.approx(sum(sent) / len(sent), rel=0.4), one.method


def test_the_baseline_is_trained_once_by_the_method_that_needs_most_of_it(finished: Finished) -> None:
    assert list(finished.reports) == [("vanilla", 0), ("random", 0), ("pada", 0)]
    trained = [spec.output.relative_to(finished.root).parts for spec in finished.student.trained]
    assert [parts[:1] + parts[-2:-1] for parts in trained] == [("pada", "0"), ("pada", "1"), ("random", "1")]
    assert len({report.baseline["validation"] for report in finished.reports.values()}) == 1
    scores = list(read_jsonl(finished.runs.paths(("vanilla", 0)).test_row_scores("baseline")))
    assert {report.test.baseline for report in finished.reports.values() if report.test} == {
        sum(row["value"] for row in scores) / len(scores)
    }


def test_each_test_file_is_answered_once_and_after_the_last_training(finished: Finished) -> None:
    answered = [name for spec in finished.student.predicted for name in spec.adapters]
    assert answered.count("baseline") == 1
    opened = [
        row["time"]
        for job in finished.reports
        for row in read_jsonl(finished.runs.paths(job).test_access)
        if "scored" in row["reason"]
    ]
    gates = [path.stat().st_mtime for path in finished.root.glob("*/*/rounds/*/gate.json")]
    assert min(opened) >= max(gates)


def test_each_method_is_compared_with_plain_fine_tuning(finished: Finished) -> None:
    vanilla, _, pada = finished.results.rows
    assert (vanilla.method, pada.method) == ("vanilla", "pada")
    assert vanilla.vs_vanilla is None
    assert pada.vs_reference is None
    assert pada.vs_vanilla
    assert pada.vs_vanilla.difference == pytest.approx(pada.test_mean - vanilla.test_mean)
    assert pada.accepted == finished.reports["pada", 0].accepted > 0
    assert pada.gain_per_row == pytest.approx(pada.vs_vanilla.difference / pada.accepted)
    assert pada.gain_per_1k_tokens == pytest.approx(pada.vs_vanilla.difference / (pada.tokens / 1000))
    # the stand-in student says half a second of training a round
    assert pada.gain_per_training_second == pytest.approx(pada.vs_vanilla.difference / 0.5)
    assert pada.failures_fixed is not None
    assert [point.round for point in pada.curve] == [0, 1]


def test_the_files_hold_the_results(finished: Finished, tmp_path: Path) -> None:
    results = finished.results
    write(results, tmp_path)
    gain = results.rows[-1].vs_vanilla
    assert gain
    page = Page((tmp_path / "compare.html").read_text())
    drawn = {row["name"]: row["difference"] for row in values(page.specs["differences"], "difference")}
    assert drawn["pada"] == pytest.approx(100 * gain.difference)
    assert Results(**read_json(tmp_path / "compare.json")) == results
    lines = list(csv.DictReader((tmp_path / "compare.csv").read_text().splitlines()))
    assert [line["method"] for line in lines] == ["vanilla", "random", "pada"]
    assert float(lines[2]["vs_vanilla_difference"]) == gain.difference


def test_a_service_shows_the_same(finished: Finished) -> None:
    record = read_record(finished.root)
    assert record
    assert (record.methods, record.seeds) == (["vanilla", "random", "pada"], [0])
    shown, _ = compared_runs(finished.root, record, Followed())
    assert [(run.method, run.status, run.has_report) for run in shown] == [
        (method, "finished", True) for method in record.methods
    ]
    assert [run.curve for run in shown] == [row.curve for row in finished.results.rows]


async def test_in_another_folder_it_is_done_and_nothing_is_paid_or_trained_again(
    finished: Finished, tmp_path: Path
) -> None:
    calls, trainings = len(finished.teacher.seen), len(finished.student.trained)
    moved = shutil.copytree(finished.root, tmp_path / "moved")
    again = Runs(load_comparison(finished.file), moved, lambda *_: None, finished.student)
    assert compared(again, await again.run()) == finished.results
    assert (len(finished.teacher.seen), len(finished.student.trained)) == (calls, trainings)
