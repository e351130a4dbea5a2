"""Measures how fast the student is on this machine, from its baseline or a few training steps."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.compare.questions import Failures
from app.compare.runs import Runs
from app.engine.wiring import open_student
from graphs.ports import Student
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.artifacts import read_jsonl, write_jsonl
from trainer.specs import PredictFile, TrainReport, TrainSpec

STEPS, ROWS = 4, 16
"""Optimizer steps, and rows to predict, of a probe."""


@dataclass(frozen=True)
class Throughput:
    """Seconds on this machine."""

    load: float
    """To start the trainer and load the student."""
    step: float
    """For one optimizer step."""
    answer: float
    """To predict one row."""

    @classmethod
    def of(cls, report: TrainReport) -> Throughput:
        """The throughput of a training."""
        took, answered = report.seconds, report.predict.rows
        return cls(took["load"], took["train"] / report.steps, took["predict"] / max(answered, 1))


def baseline(runs: Runs) -> tuple[Throughput, Failures] | None:
    """Throughput and failures of the baseline of any seed. None before there is one."""
    for job in runs.jobs:
        first = Round(runs.paths(job), 0)
        if not first.paths.evaluation.exists():
            continue
        wrong = sum(not score.correct for score in first.scores("train"))
        return Throughput.of(first.train_report()), Failures(first.evaluation().failures, wrong)
    return None


async def probe(runs: Runs, student: Student | None = None) -> Throughput:
    """Train the student for a few steps and predict a few rows. All files of the probe are deleted.

    Args:
        student: None is the trainer that the settings name.

    Raises:
        TrainerError: with the trainer's own message.
    """
    folder, data = runs.root / "probe", RunPaths(runs.root)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        spec = few_steps(runs, data, folder)
        if student:
            return Throughput.of(await student.fine_tune(spec))
        task_folder = runs.config(runs.jobs[0]).task_folder
        async with open_student("probe", data.root, lambda _: None, None, task_folder) as trainer:
            return Throughput.of(await trainer.fine_tune(spec))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def few_steps(runs: Runs, data: RunPaths, folder: Path) -> TrainSpec:
    config, rows = runs.config(runs.jobs[0]), folder / "rows.jsonl"
    write_jsonl(rows, list(islice(read_jsonl(data.data("validation")), ROWS)))
    return TrainSpec(
        task=config.task,
        student=config.student.model_copy(update={"steps": STEPS}),
        train=[data.data("train")],
        output=folder / "student",
        seed=config.seed,
        predict=[PredictFile(name="validation", rows=rows, output=folder / "predictions.jsonl")],
    )
