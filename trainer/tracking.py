"""What a run tells its experiment trackers, as types, and the lines that carry it. This module does not import torch.

`python -m trainer.track` reads one `TrackedRun`, then lines of `Tracked`, one JSON object each, until its input ends.
It answers with one `TrackerAnswer` for each tracker that has failed or ended.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from trainer.strict import Strict

TrackerName = Literal["tensorboard", "mlflow", "wandb", "trackio"]
Axis = Literal["train", "round", "test"]
"""What a point's step counts: optimizer steps of the whole run, rounds, or the one result on test rows (0)."""


class TrackedRun(Strict):
    """One run of pada: one run in each tracker."""

    trackers: list[TrackerName]
    home: Path
    """Folder of what trackers keep of the run on this machine, and of how far they are."""
    tensorboard: Path
    """Folder of TensorBoard's files."""
    project: str = "pada"
    """The experiment of MLflow, or the project of W&B and Trackio, where their own variables name none."""
    name: str
    run_id: str
    config: dict[str, str | int | float | bool]
    """Dotted keys, without secrets."""
    tags: dict[str, str] = {}


class Point(Strict):
    """Values at one step."""

    axis: Axis
    step: int = Field(ge=0)
    values: dict[str, float]


class Ending(Strict):
    """How a start of the run has ended."""

    status: str
    summary: str
    """The result as Markdown."""
    files: list[Path] = []
    """The report."""


class Tracked(Strict):
    """One line."""

    points: list[Point] = []
    """Each is logged once: a tracker leaves out those that it has had in any start of the run."""
    ending: Ending | None = None


class TrackerAnswer(Strict):
    """What became of a tracker."""

    tracker: TrackerName
    error: str = ""
    """Why it tracks no further in this start; empty if it has ended well."""
