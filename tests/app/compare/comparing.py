"""What tests of comparisons share: their file, and a student that leaves finished trainings alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from app.compare.models import Results
from app.compare.results import find_results
from app.compare.runs import Runs
from tests.fakes import FakeStudent
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for
from trainer.artifacts import read_json
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
