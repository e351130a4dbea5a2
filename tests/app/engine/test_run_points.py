"""The numbers of a run, read while its files grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.engine.events import TeacherSpend
from app.engine.run_points import RunPoints
from graphs.artifacts import Evaluation, GateDecision
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from tests.fakes import train_report
from trainer.artifacts import write_json, write_jsonl
from trainer.progress import ProgressLog
from trainer.records import Example
from trainer.specs import LossPoint
from trainer.tracking import Point

SPENT = TeacherSpend(calls=12, usd=0.5, tokens=3400)


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path)


@pytest.fixture
def points(paths: RunPaths) -> RunPoints:
    return RunPoints(paths)


def train(paths: RunPaths, number: int, *steps: int) -> None:
    progress = ProgressLog(paths.round(number).progress)
    progress.write(stage="load", message="Loading")
    for step in steps:
        progress.write(stage="train", step=step, steps=9, loss=10.0 * number + step, learning_rate=0.1)


def judge(paths: RunPaths, number: int, score: float, steps: int, promoted: bool = True) -> None:
    losses = [
        LossPoint(step=step, loss=10.0 * number + step, learning_rate=0.1) for step in range(1, steps + 1)
    ]
    here = Round(paths, number)
    report = train_report(here.paths.student / "adapter", 40).model_copy(
        update={"steps": steps, "loss": losses}
    )
    write_json(here.paths.student / "report.json", report)
    evaluation = Evaluation(
        metric="token F1 (%)", n=40, validation=score, ci95=(score - 0.1, score + 0.1), failures=3, detail={}
    )
    here.write_evaluation(evaluation, [])
    here.write_gate(GateDecision(promoted=promoted, reason="It is."))


def steps(found: list[Point]) -> list[tuple[str, int]]:
    return [(point.axis, point.step) for point in found]


def test_a_run_that_has_not_begun_has_none(points: RunPoints) -> None:
    assert list(points.new(None)) == []


def test_each_look_has_what_is_new_and_a_step_that_was_trained_again_is_no_new_one(
    paths: RunPaths, points: RunPoints
) -> None:
    train(paths, 0, 1, 2, 3)
    assert steps(list(points.new(None))) == [("train", 1), ("train", 2), ("train", 3)]
    train(paths, 0, 2, 3, 4)
    (new,) = points.new(None)
    assert (new.step, new.values) == (4, {"train/loss": 4.0, "train/learning_rate": 0.1, "train/round": 0.0})
    assert list(points.new(None)) == []


def test_steps_go_on_over_rounds_and_scores_come_between(paths: RunPaths, points: RunPoints) -> None:
    train(paths, 0, 1, 2)
    judge(paths, 0, 0.5, steps=3)
    train(paths, 1, 1)
    found = list(points.new(SPENT))
    assert steps(found) == [("train", 1), ("train", 2), ("train", 3), ("round", 0), ("train", 4)]
    assert [point.values["train/loss"] for point in found if point.axis == "train"] == [1, 2, 3, 11]


def test_a_score_has_its_interval_its_rows_and_the_cost(paths: RunPaths, points: RunPoints) -> None:
    judge(paths, 0, 0.5, steps=1)
    judge(paths, 1, 0.4, steps=1, promoted=False)
    write_jsonl(paths.round(1).accepted, [Example(id=name, prompt="p", completion="c") for name in "ab"])
    first, second = (point for point in points.new(SPENT) if point.axis == "round")
    assert first.values["rows/accepted"] == 0
    assert second.values == {
        "validation/token_F1_": 0.4,
        "validation/ci95_low": pytest.approx(0.3),
        "validation/ci95_high": pytest.approx(0.5),
        "validation/best": 0.5,
        "validation/promoted": 0.0,
        "rows/accepted": 2,
        "rows/train": 40,
        "cost/usd": 0.5,
        "cost/calls": 12,
        "cost/tokens": 3400,
    }
