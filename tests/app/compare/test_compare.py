"""Comparisons: their runs, with a fast student and the scripted teacher."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.api.comparisons.progress import Followed, compared_runs
from app.compare.files import write
from app.compare.models import Results
from app.compare.plan import Plan, make_plan
from app.compare.record import read_record
from app.compare.results import training
from app.compare.runs import ComparisonPaused, Runs
from app.compare.spec import load_comparison
from graphs.report import Report
from tests.app.compare.comparing import Once, compared, write_comparison
from tests.app.report.html_page import Page, values
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import rows as tiny_rows
from tests.tiny_task import write_rows
from trainer.artifacts import read_json, read_jsonl
from trainer.specs import TrainReport, TrainSpec


async def test_methods_share_what_is_the_same_and_open_the_test_last(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_KEY", "key")
    student = Once()
    told: list[tuple[str, str]] = []
    comparison = load_comparison(write_comparison(tmp_path, data, scripted_teacher))
    runs = Runs(comparison, tmp_path / "out", lambda job, event: told.append((job[0], event.type)), student)
    before = await planned_before(runs, student, scripted_teacher)
    reports = await runs.run()
    assert list(reports) == [("vanilla", 0), ("random", 0), ("pada", 0)]

    trained = [spec.output.relative_to(tmp_path / "out").parts for spec in student.trained]
    assert [parts[:1] + parts[-2:-1] for parts in trained] == [
        ("pada", "0"),
        ("pada", "1"),
        ("random", "1"),
    ], "the baseline is trained once, by the method that needs most of it"
    baselines = {report.baseline["validation"] for report in reports.values()}
    assert len(baselines) == 1
    assert {report.test.baseline for report in reports.values() if report.test} == {
        score(runs, ("vanilla", 0)),
    }
    # each test file is answered once, and after the last training
    answered = [name for spec in student.predicted for name in spec.adapters]
    assert answered.count("baseline") == 1
    opened = [
        row["time"]
        for job in reports
        for row in read_jsonl(runs.paths(job).test_access)
        if "scored" in row["reason"]
    ]
    gates = [path.stat().st_mtime for path in (tmp_path / "out").glob("*/*/rounds/*/gate.json")]
    assert min(opened) >= max(gates)

    results = compared(runs, reports)
    await planned_after(runs, student, scripted_teacher, reports, before)
    assert [row.method for row in results.rows] == ["vanilla", "random", "pada"]
    vanilla, _, pada = results.rows
    assert vanilla.vs_vanilla is None
    assert pada.vs_reference is None
    assert pada.vs_vanilla
    assert pada.vs_vanilla.difference == pytest.approx(pada.test_mean - vanilla.test_mean)
    assert pada.accepted == reports["pada", 0].accepted > 0
    assert pada.gain_per_row == pytest.approx(pada.vs_vanilla.difference / pada.accepted)
    assert pada.gain_per_1k_tokens == pytest.approx(pada.vs_vanilla.difference / (pada.tokens / 1000))
    # the stand-in student says half a second of training a round
    assert pada.gain_per_training_second == pytest.approx(pada.vs_vanilla.difference / 0.5)
    assert pada.failures_fixed is not None
    assert [point.round for point in pada.curve] == [0, 1]
    write(results, tmp_path)
    page = Page((tmp_path / "compare.html").read_text())
    drawn = {row["name"]: row["difference"] for row in values(page.specs["differences"], "difference")}
    assert drawn["pada"] == pytest.approx(100 * pada.vs_vanilla.difference)
    assert Results(**read_json(tmp_path / "compare.json")) == results
    lines = list(csv.DictReader((tmp_path / "compare.csv").read_text().splitlines()))
    assert [line["method"] for line in lines] == ["vanilla", "random", "pada"]
    assert float(lines[2]["vs_vanilla_difference"]) == pada.vs_vanilla.difference

    record = read_record(tmp_path / "out")
    assert record
    assert (record.methods, record.seeds) == (["vanilla", "random", "pada"], [0])
    shown, _ = compared_runs(tmp_path / "out", record, Followed())
    assert [(run.method, run.status, run.has_report) for run in shown] == [
        (row.method, "finished", True) for row in results.rows
    ]
    assert [run.curve for run in shown] == [row.curve for row in results.rows], "what a service shows of it"

    calls = len(scripted_teacher.seen)
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    again = Runs(comparison, moved, lambda *_: None, student)
    assert compared(again, await again.run()) == results
    assert (len(scripted_teacher.seen), len(student.trained)) == (calls, 3), (
        "done already: nothing is paid or trained again"
    )


async def test_unlabelled_rows_are_shared_and_active_takes_no_others(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_KEY", "key")
    write_rows(tmp_path / "logs.jsonl", [{"prompt": row["prompt"]} for row in tiny_rows("pool", 60)])
    path = write_comparison(tmp_path, data, scripted_teacher, methods=["active", "pada"])
    document = yaml.safe_load(path.read_text())
    document["data"] = {"folder": document["data"], "unlabeled": "logs.jsonl"}
    path.write_text(yaml.safe_dump(document))
    runs = Runs(load_comparison(path), tmp_path / "out", lambda *_: None, Once())
    plan = {one.method: one for one in (await make_plan(runs, Once())).methods}
    # a description of the task, and 24 rows in batches of 4, each answered and judged
    assert (plan["active"].rows, plan["active"].calls) == (24, 13)
    reports = await runs.run()
    origins = {
        method: {row["origin"] for row in read_jsonl(runs.paths((method, 0)).round(1).rows)}
        for method in ("active", "pada")
    }
    assert origins["active"] == {"unlabeled"}
    assert {"unlabeled", "pattern"} <= origins["pada"]
    for method in ("active", "pada"):
        report = reports[method, 0]
        assert report.data.unlabeled
        assert report.data.unlabeled.rows == 60
        assert report.rounds[1].unlabeled
        asked = [request for request in scripted_teacher.seen if request.run == report.run_id]
        assert report.cost.calls == len(asked), "the ledger counts each call"
        assert plan[method].calls <= plan[method].most_calls
    assert reports["active", 0].cost.calls == plan["active"].calls


async def planned_before(runs: Runs, student: Once, scripted_teacher: ScriptedTeacherServer) -> Plan:
    """The plan of `METHODS` before anything was trained: nothing is asked for it, and nothing left behind."""
    asked = len(scripted_teacher.seen)
    plan = await make_plan(runs, student)
    assert len(scripted_teacher.seen) == asked
    assert not (runs.root / "probe").exists()
    assert not plan.baseline_known
    assert plan.failures == 40, "all validation rows"
    vanilla, chance, _ = plan.methods
    assert (vanilla.calls, vanilla.rows, vanilla.usd) == (0, 0, 0)
    # a description of the task, and 24 rows in batches of 4, each written and judged
    assert (chance.rows, chance.calls, chance.most_calls) == (24, 13, 37)
    assert chance.usd is None, "no price is known of this teacher"
    student.trained.clear()
    return plan


async def planned_after(
    runs: Runs,
    student: Once,
    scripted_teacher: ScriptedTeacherServer,
    reports: dict[Any, Report],
    before: Plan,
) -> None:
    """The plan of a comparison that is done holds what it took."""
    plan = await make_plan(runs, student)
    assert plan.baseline_known
    assert plan.failures < before.failures
    for one in plan.methods:
        report = reports[one.method, 0]
        assert one.calls <= report.cost.calls <= one.most_calls
        sent = [len(asked.text) for asked in scripted_teacher.seen if asked.run == report.run_id]
        if sent:
            assert 4 * one.tokens / one.calls == pytest.approx(sum(sent) / len(sent), rel=0.4), one.method


class Slow(Once):
    """Knows how many trainings went on at a time."""

    now = most = 0

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """See `graphs.ports.Student`."""
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.2)
        self.now -= 1
        return await super().fine_tune(spec)


class Meeting(Once):
    """Holds back the first round of one run until that of another is there, too."""

    def __init__(self) -> None:
        super().__init__()
        self._barrier, self.met = asyncio.Barrier(2), False

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """See `graphs.ports.Student`."""
        if spec.output.parent.name == "1":
            async with asyncio.timeout(30):
                await self._barrier.wait()
            self.met = True
        return await super().fine_tune(spec)


@pytest.mark.parametrize("count", [1, 2])
async def test_runs_go_side_by_side_where_there_are_places(
    tmp_path: Path,
    data: Path,
    scripted_teacher: ScriptedTeacherServer,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    monkeypatch.setenv("PADA_TRAINERS_PER_DEVICE", str(count))
    path = write_comparison(tmp_path, data, scripted_teacher, methods=["vanilla"], seeds=[0, 1, 2])
    student = Slow()
    reports = await Runs(load_comparison(path), tmp_path / "out", lambda *_: None, student).run()
    assert len(reports) == 3
    assert student.most == count


async def test_the_others_start_when_the_baseline_is_there(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADA_TRAINERS_PER_DEVICE", "2")
    path = write_comparison(tmp_path, data, scripted_teacher, methods=["random", "auggpt"])
    student = Meeting()
    await Runs(load_comparison(path), tmp_path / "out", lambda *_: None, student).run()
    assert student.met


def test_with_equal_steps_every_student_takes_as_many(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    path = write_comparison(tmp_path, data, scripted_teacher, methods=["random"])
    runs = Runs(load_comparison(path), tmp_path / "out", lambda *_: None)
    runs.prepare()
    # 40 given and 24 new rows, 8 a step, 6 times
    assert {runs.config(job).student.steps for job in runs.jobs} == {48}
    assert training(48) == "equal steps, 48 for every student"


def test_a_method_goes_through_all_rounds_if_the_file_does_not_say_when_to_stop(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    path = write_comparison(
        tmp_path, data, scripted_teacher, methods=["random", {"name": "long", "loop": {"rounds": 5}}]
    )
    document = yaml.safe_load(path.read_text())
    del document["loop"]["patience"]
    path.write_text(yaml.safe_dump(document))
    loaded = load_comparison(path).configs
    assert (loaded["random", 0].loop.patience, loaded["long", 0].loop.patience) == (1, 5)


def score(runs: Runs, job: Any) -> float:
    values: list[float] = [
        row["value"] for row in read_jsonl(runs.paths(job).final / "baseline" / "scores.jsonl")
    ]
    return sum(values) / len(values)


@pytest.mark.slow
async def test_a_comparison_that_waits_opens_no_test_row_and_goes_on(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_KEY", "key")
    path = write_comparison(tmp_path, data, scripted_teacher, methods=["random"])
    document = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(document | {"budget": {"max_calls": 3}}))
    student = Once()
    runs = Runs(load_comparison(path), tmp_path / "out", lambda *_: None, student)
    with pytest.raises(ComparisonPaused, match=r"random, seed 0: .*budget.max_calls"):
        await runs.run()
    assert student.predicted == []
    path.write_text(yaml.safe_dump(document))
    more = Runs(load_comparison(path), tmp_path / "out", lambda *_: None, student)
    reports = await more.run()
    assert {report.status for report in reports.values()} == {"finished"}
    assert len(student.trained) == 2
