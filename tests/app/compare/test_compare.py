"""Comparisons: their runs, with a fast student and the scripted teacher."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from app.compare.plan import make_plan
from app.compare.results import training
from app.compare.runs import ComparisonPaused, Runs
from app.compare.spec import load_comparison
from tests.app.compare.comparing import Once, write_comparison
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import rows as tiny_rows
from tests.tiny_task import write_rows
from trainer.artifacts import read_jsonl
from trainer.specs import TrainReport, TrainSpec


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
