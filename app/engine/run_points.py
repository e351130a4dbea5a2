"""The numbers of a run as experiment trackers take them, read from the run's folder as it grows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.engine.events import TeacherSpend
from app.launchers.trainer_process import pass_on
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.progress import Progress
from trainer.specs import LossPoint, TrainReport
from trainer.tracking import Point

UNUSUAL = re.compile(r"[^\w.-]+")
"""Characters that not every tracker takes in a name."""


class RunPoints:
    """Every point of a run, in order, each once. The files tell all starts of the run as one: a step that was trained
    again after a kill is one step."""

    def __init__(self, paths: RunPaths):
        self._paths = paths
        self._round = Round(paths, 0)
        self._steps_before = 0
        self._position = 0
        """In the progress file of the round's training."""
        self._step = 0
        """The last one of the round's training."""
        self._best = 0.0

    def new(self, spent: TeacherSpend | None) -> Iterator[Point]:
        """The points since the last call.

        Args:
            spent: what the teacher has cost by now.
        """
        yield from self._training()
        while self._round.judged:
            report = self._round.train_report()
            yield from self._rest(report)
            yield self._judged(report, spent)
            self._steps_before += report.steps
            self._round = Round(self._paths, self._round.number + 1)
            self._position = self._step = 0
            yield from self._training()

    def _training(self) -> Iterator[Point]:
        lines: list[Progress] = []
        self._position = pass_on(self._round.paths.progress, self._position, lines.append)
        for line in lines:
            if line.stage == "train" and line.loss is not None and line.step > self._step:
                rate = line.learning_rate or 0.0
                speed = line.tokens_per_second
                yield self._trained(LossPoint(step=line.step, loss=line.loss, learning_rate=rate), speed)

    def _rest(self, report: TrainReport) -> Iterator[Point]:
        """Steps that the progress does not have."""
        for point in report.loss:
            if point.step > self._step:
                yield self._trained(point)

    def _trained(self, point: LossPoint, tokens_per_second: float | None = None) -> Point:
        self._step = point.step
        values = {
            "train/loss": point.loss,
            "train/learning_rate": point.learning_rate,
            "train/round": float(self._round.number),
        }
        if tokens_per_second is not None:
            values["train/tokens_per_second"] = tokens_per_second
        return Point(axis="train", step=self._steps_before + point.step, values=values)

    def _judged(self, report: TrainReport, spent: TeacherSpend | None) -> Point:
        evaluation, gate = self._round.evaluation(), self._round.gate()
        if gate.promoted:
            self._best = evaluation.validation
        low, high = evaluation.ci95
        values: dict[str, float] = {
            f"validation/{UNUSUAL.sub('_', evaluation.metric)}": evaluation.validation,
            "validation/ci95_low": low,
            "validation/ci95_high": high,
            "validation/best": self._best,
            "validation/promoted": float(gate.promoted),
            "rows/accepted": len(self._round.accepted()),
            "rows/train": report.rows,
        }
        if spent:
            values |= {"cost/usd": spent.usd, "cost/calls": spent.calls, "cost/tokens": spent.tokens}
        return Point(axis="round", step=self._round.number, values=values)
