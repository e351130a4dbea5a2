"""The trackers of accelerate, and what each needs besides: to go on with a run, and to keep its report."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import ClassVar

from accelerate.tracking import (
    GeneralTracker,
    MLflowTracker,
    TensorBoardTracker,
    TrackioTracker,
    WandBTracker,
)

from trainer.tracking import Axis, Ending, Point, TrackedRun, TrackerName

AXES: dict[Axis, str] = {"train": "train/global_step", "round": "round", "test": "round"}
"""The metric by which charts of an axis are drawn, in trackers that can choose one."""


class RunTracker(ABC):
    """One run in one tracker.

    Args:
        known: the tracker's own name of the run, if an earlier start has begun it.
    """

    name: ClassVar[TrackerName]

    def __init__(self, run: TrackedRun, known: str | None):
        self.run, self.known = run, known
        self.inner = self.make()

    @abstractmethod
    def make(self) -> GeneralTracker:
        """The tracker of accelerate; nothing is started yet."""

    def start(self) -> str:
        """Begin the run, or go on with it; its name in the tracker."""
        self.inner.start()
        return self.run.run_id

    def configure(self) -> None:
        """Log the configuration, in the first start of the run."""
        self.inner.store_init_configuration(dict(self.run.config))

    def log(self, point: Point) -> None:
        """Log values at a step."""
        self.inner.log(dict(point.values), step=point.step)

    @abstractmethod
    def attach(self, ending: Ending, number: int) -> None:
        """Keep the report of the start that has ended.

        Args:
            number: how many starts had ended before.
        """

    def finish(self) -> None:
        """End this start."""
        self.inner.finish()


class TensorBoard(RunTracker):
    """Event files, in a folder of the run."""

    name = "tensorboard"

    def make(self) -> GeneralTracker:
        return TensorBoardTracker(self.run.tensorboard.name, self.run.tensorboard.parent)

    def attach(self, ending: Ending, number: int) -> None:
        """It has no artifacts: the summary is a text."""
        self.inner.log({"report": ending.summary}, step=number)


class MLflow(RunTracker):
    """The server or database that MLFLOW_TRACKING_URI names."""

    name = "mlflow"

    def make(self) -> GeneralTracker:
        tags = {f"pada.{key}": value for key, value in self.run.tags.items()}
        return MLflowTracker(self.run.project, run_id=self.known, run_name=self.run.name, tags=tags)

    def start(self) -> str:
        self.inner.start()
        return str(self.inner.tracker.info.run_id)

    def attach(self, ending: Ending, number: int) -> None:
        import mlflow

        for file in ending.files:
            self.inner.log_artifact(str(file))
        mlflow.set_tag("pada.status", ending.status)


class Chosen(RunTracker):
    """A tracker whose charts are drawn by a metric, and whose own steps only ever grow. Each start gives it the configuration."""

    def configure(self) -> None:
        pass

    def log(self, point: Point) -> None:
        self.inner.log({**point.values, AXES[point.axis]: point.step}, step=None)


class WandB(Chosen):
    """Weights & Biases; without an account by WANDB_MODE=offline."""

    name = "wandb"

    def make(self) -> GeneralTracker:
        import wandb

        project = os.environ.get("WANDB_PROJECT", self.run.project)
        return WandBTracker(
            project,
            id=self.run.run_id,
            name=self.run.name,
            tags=[f"{key}:{value}"[:64] for key, value in self.run.tags.items()],
            resume="allow",
            dir=self.run.home,
            # this process has nothing to show of itself
            settings=wandb.Settings(
                console="off", disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True
            ),
        )

    def start(self) -> str:
        name = super().start()
        axes: dict[str, Axis] = {"train": "train", "validation": "round", "rows": "round", "cost": "round"}
        for metrics, axis in axes.items():
            self.inner.tracker.define_metric(f"{metrics}/*", step_metric=AXES[axis])
        self.inner.store_init_configuration(dict(self.run.config))
        return name

    def attach(self, ending: Ending, number: int) -> None:
        import wandb

        run = self.inner.tracker
        report = wandb.Artifact(
            f"report-{self.run.run_id}", type="report", metadata={"status": ending.status}
        )
        for file in ending.files:
            report.add_file(str(file))
        run.log_artifact(report)
        run.summary["status"] = ending.status


class Trackio(Chosen):
    """Trackio, in its own folder on this machine, or in the Space that TRACKIO_SPACE_ID names."""

    name = "trackio"

    def make(self) -> GeneralTracker:
        project = os.environ.get("TRACKIO_PROJECT", self.run.project)
        # it tells runs apart by their names
        name = f"{self.run.name} {self.run.run_id[:8]}"
        return TrackioTracker(
            project,
            name=name,
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
            config=dict(self.run.config),
        )

    def attach(self, ending: Ending, number: int) -> None:
        import trackio

        report = trackio.Artifact(
            f"report-{self.run.run_id}", type="report", metadata={"status": ending.status}
        )
        for file in ending.files:
            report.add_file(str(file))
        self.inner.tracker.log_artifact(report)


TRACKERS: dict[TrackerName, type[RunTracker]] = {
    each.name: each for each in (TensorBoard, MLflow, WandB, Trackio)
}
