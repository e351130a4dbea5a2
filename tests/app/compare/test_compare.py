"""Comparisons: their file, the runs with a fast student and the scripted teacher, and the statistics."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from app.api.comparisons.progress import Followed, compared_runs
from app.cli.compare_tables import show
from app.compare.files import write
from app.compare.models import Results, Row
from app.compare.plan import Plan, baseline_seconds, make_plan, plan_run
from app.compare.probe import Throughput
from app.compare.questions import Failures
from app.compare.record import read_record
from app.compare.results import corrected_verdict, find_results, training
from app.compare.runs import ComparisonPaused, Runs
from app.compare.spec import CompareSpec, load_comparison
from app.compare.statistics import Estimate, over_rows_and_seeds
from app.compare.wording import headline
from app.config.run_config import parse_config
from app.errors import ConfigError
from graphs.analysis.statistics import paired
from graphs.report import Report
from tests.app.report.html_page import Page, values
from tests.fakes import FakeStudent
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for, write_rows
from tests.tiny_task import rows as tiny_rows
from trainer.artifacts import read_json, read_jsonl
from trainer.records import Example
from trainer.specs import TrainReport, TrainSpec

METHODS: list[Any] = ["random", "pada"]


def write_comparison(
    folder: Path, data: Path, scripted_teacher: ScriptedTeacherServer, **compare: Any
) -> Path:
    loop = {"rounds": 1, "synthetic_per_round": 24}
    config = config_for(data, "builtin:smollm2-135m", scripted_teacher.url, loop=loop)
    path = folder / "compare.yaml"
    path.write_text(yaml.safe_dump(config | {"compare": {"methods": METHODS} | compare}))
    return path


class Once(FakeStudent):
    """Leaves a training alone that has its report, as the launchers do."""

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """See `graphs.ports.Student`."""
        done = spec.output / "report.json"
        return TrainReport(**read_json(done)) if done.exists() else await super().fine_tune(spec)


def compared(runs: Runs, reports: Any) -> Results:
    return find_results(reports, {job: runs.paths(job) for job in reports}, 0, "pada")


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


@pytest.mark.parametrize("count", [1, 2])
async def test_runs_go_side_by_side_where_there_are_devices(
    tmp_path: Path,
    data: Path,
    scripted_teacher: ScriptedTeacherServer,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    monkeypatch.setattr("app.compare.runs.devices", lambda _: [str(number) for number in range(count)])
    path = write_comparison(tmp_path, data, scripted_teacher, methods=["vanilla"], seeds=[0, 1, 2])
    student = Slow()
    reports = await Runs(load_comparison(path), tmp_path / "out", lambda *_: None, student).run()
    assert len(reports) == 3
    assert student.most == count


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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": []}, "compare.methods: "),
        ({"methods": ["random", "random"]}, "compare.methods: random is there more than once"),
        ({"seeds": [1, 1]}, "compare.seeds: 1 is there more than once"),
        ({"methods": ["best"]}, "in method best: loop.method"),
        ({"methods": [{"name": "x/../y"}]}, "compare.methods.0.name"),
        ({"methods": [{"name": "no-qc", "loop": {"qx": False}}]}, "in method no-qc: loop.qx: unknown key"),
        ({"methods": [{"name": "asks", "loop": {"review": True}}]}, "in method asks: loop.review"),
        ({"sedes": [1]}, "compare.sedes: unknown key; did you mean `seeds`?"),
        ({"method": ["pada"]}, "compare.method: unknown key; did you mean `methods`?"),
    ],
)
def test_a_wrong_file_is_one_error_that_names_the_key(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer, change: dict[str, Any], said: str
) -> None:
    path = write_comparison(tmp_path, data, scripted_teacher, **change)
    with pytest.raises(ConfigError) as caught:
        load_comparison(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_file_without_the_section_says_what_to_add(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config_for(data, "builtin:smollm2-135m", scripted_teacher.url)))
    with pytest.raises(ConfigError, match=r"compare: missing; give `compare\.methods`"):
        load_comparison(path)


def test_equal_epochs_and_a_number_of_steps_contradict(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    path = write_comparison(tmp_path, data, scripted_teacher, training="equal_epochs")
    assert load_comparison(path).steps(40) is None
    document = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(document | {"student": document["student"] | {"steps": 9}}))
    with pytest.raises(ConfigError, match=r"compare\.yaml: student\.steps: .*give `student\.epochs`"):
        load_comparison(path)


def test_the_plan_counts_the_answers_of_the_untrained_student(data: Path, tmp_path: Path) -> None:
    config = parse_config(
        config_for(data, "student", None, loop={"method": "vanilla"}), "config.yaml", tmp_path
    )
    rows, throughput = {"train": 8, "validation": 10, "test": 30}, Throughput(load=5.0, step=0.0, answer=1.0)
    without = baseline_seconds(config, rows, throughput)
    asked = config.model_copy(update={"evaluate_untrained": True})
    assert baseline_seconds(asked, rows, throughput) - without == 5 + 30


def test_the_plan_counts_the_answers_by_which_the_teacher_is_scored(data: Path) -> None:
    """Eleven rows in calls of four."""
    config = parse_config(config_for(data, "any", "http://localhost:9/v1"), "config", data)
    train = [Example(**row) for row in tiny_rows("train")]
    plain = plan_run("pada", config, train, Failures(40, 10))
    asked = plan_run("pada", config, train, Failures(40, 10), evaluated=11)
    assert asked.calls - plain.calls == 3
    assert asked.tokens > plain.tokens


def test_the_reference_is_named_or_else_pada() -> None:
    arms = ["random", {"name": "chosen", "loop": {"method": "random", "oversample": 2}}]
    assert CompareSpec(methods=["pada", *arms]).reference == "pada"
    assert CompareSpec(methods=["pada", *arms], against="chosen").reference == "chosen"
    assert CompareSpec(methods=arms).reference is None
    with pytest.raises(
        ValidationError, match="`against: chose` is none of the methods; take one of vanilla, random"
    ):
        CompareSpec(methods=arms, against="chose")


def test_with_one_seed_it_is_the_paired_comparison() -> None:
    rng = np.random.default_rng(0)
    before = (rng.random(300) < 0.5).astype(float)
    after = np.where(rng.random(300) < 0.2, 1.0, before)
    one = paired(before, after, before == 1, after == 1, 0)
    crossed = over_rows_and_seeds((after - before)[None], 0, differences=True)
    assert crossed.mean == pytest.approx(one.difference)
    assert (crossed.low, crossed.high) == pytest.approx((one.low, one.high), abs=0.006)


def test_seeds_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.1, (4, 200))
    alike, apart = noise + 0.1, noise + np.array([[-0.2], [0.0], [0.2], [0.4]])
    narrow, wide = (over_rows_and_seeds(table, 0) for table in (alike, apart))
    assert narrow.mean == pytest.approx(wide.mean, abs=1e-9)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
    assert narrow.low > 0 > wide.low


def test_no_difference_has_an_interval_around_nothing() -> None:
    same = over_rows_and_seeds(np.zeros((3, 50)), 0, differences=True)
    assert same.mean == 0
    assert same.low < 0 < same.high
    assert same.p_value > 0.5


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Rows and seeds both drawn anew each time: 95 % or more, for the bootstrap over both is on the safe side."""
    rng = np.random.default_rng(2)
    held = 0
    for trial in range(60):
        table = (
            0.1 + rng.normal(0, 0.3, (1, 150)) + rng.normal(0, 0.05, (5, 1)) + rng.normal(0, 0.3, (5, 150))
        )
        estimate = over_rows_and_seeds(table, trial)
        held += estimate.low <= 0.1 <= estimate.high
    assert held >= 53


@pytest.mark.parametrize(
    ("low", "p_value", "said"),
    [(0.01, 0.01, "improved"), (0.01, 0.2, "no difference shown"), (-0.01, 0.01, "no difference shown")],
)
def test_improved_needs_the_interval_and_the_corrected_p_value(low: float, p_value: float, said: str) -> None:
    assert corrected_verdict(Estimate(0.05, low, 0.1, 0.01), p_value) == said


def test_the_table_says_improved_only_where_it_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {
        "task": "classification", "method": "random", "seeds": [0, 1], "accepted": 40.0, "trained_on": 40.0,
        "test_mean": 0.7, "ci95": (0.6, 0.8), "test": [0.7, 0.7], "vs_reference": None, "gain_per_row": 0.001,
        "gain_per_1k_tokens": None, "gain_per_training_second": None, "gain_per_usd": None,
        "calls": 1200, "tokens": 9, "usd": 0.5, "failures_fixed": None, "curve": [], "stopped": ["", ""],
    }  # fmt: skip
    improved = {
        "difference": 0.05,
        "ci95": (0.01, 0.09),
        "p_value": 0.0004,
        "verdict": "improved",
        "mcnemar": [0.01, 0.2],
    }
    not_shown = improved | {"ci95": (-0.01, 0.09), "p_value": 0.2, "verdict": "no difference shown"}
    rows: Any = [row | {"vs_vanilla": not_shown}, row | {"method": "pada", "vs_vanilla": improved}]
    results = Results(metric="accuracy", test_rows=100, training="equal epochs", reference="pada", rows=rows)
    show(results)
    printed = capsys.readouterr().out.splitlines()
    one, other = (next(line for line in printed if line.startswith(name)) for name in ("random", "pada"))
    assert "improved" not in one
    assert "+5.0 (-1.0 to +9.0)" in one
    assert "+5.0 (+1.0 to +9.0) improved" in other
    assert "< 0.001" in other
    rows.append(row | {"method": "auggpt", "vs_vanilla": improved | {"difference": 0.09}})
    assert headline(results) == "Better than plain fine-tuning: pada"
    ranked = results.model_copy(update={"rows": [Row(**each) for each in rows]})
    assert headline(ranked) == "Better than plain fine-tuning: auggpt and pada"
    rows += [row | {"method": name, "vs_vanilla": improved | {"difference": 0.01}} for name in ("a", "b")]
    many = results.model_copy(update={"rows": [Row(**each) for each in rows]})
    assert headline(many) == "Better than plain fine-tuning: auggpt, pada and 2 more"
    assert headline(results.model_copy(update={"rows": results.rows[:1]})).startswith("No method is shown")
