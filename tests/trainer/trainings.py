"""Trainings of seconds, as their processes do them: the spec's file, the report and the progress."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.specs import TrainReport

FAST = {
    "dtype": "float32",
    "template": "plain",
    "epochs": 2,
    "learning_rate": 2e-2,
    "batch_size": 8,
    "max_length": 64,
    "max_new_tokens": 4,
}
WriteSpec = Callable[..., tuple[Path, Path]]
"""The fixture `write_spec`: writes a spec for the tiny student; returns its path and the output folder."""


def spec_writer(folder: Path, student: Path, rows: Path) -> WriteSpec:
    """Writes specs into a folder."""

    def write(
        name: str = "run", train: Path = rows, predict: Any = (), adapter: Any = None, **settings: Any
    ) -> tuple[Path, Path]:
        output = folder / name
        spec = {
            "task": "exact_match",
            "student": FAST | {"model": str(student)} | settings,
            "train": [str(train)],
            "output": str(output),
            "seed": 3,
            "adapter": str(adapter) if adapter else None,
            "predict": list(predict),
        }
        path = folder / f"{name}.json"
        path.write_text(json.dumps(spec))
        return path, output

    return write


def run(written: tuple[Path, Path]) -> TrainReport:
    """Train in this process."""
    from trainer.finetune import main

    assert main([str(written[0])]) == 0
    return report(written[1])


def report(output: Path) -> TrainReport:
    return TrainReport.model_validate_json((output / "report.json").read_text())


def losses(found: TrainReport) -> list[float]:
    return [point.loss for point in found.loss]


def progress(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "progress.jsonl").read_text().splitlines()]
