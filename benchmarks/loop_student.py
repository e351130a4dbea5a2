"""The scripted student of `loop.py` and `quality.py`, and the rows of `loop.py`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.loop_teacher import words
from trainer.artifacts import read_jsonl, write_json, write_jsonl
from trainer.specs import LossPoint, PredictFile, PredictReport, PredictSpec, TrainReport, TrainSpec

LABELS = [f"label_{number:02d}" for number in range(20)]


class ScriptedStudent:
    """Implements `graphs.ports.Student` without a model. Its accuracy grows from round to round.

    Args:
        seconds: duration of each training. The processor is idle meanwhile.
        labels: what it answers where it is wrong, drawn at random.
    """

    def __init__(self, seconds: float, labels: Sequence[str] = LABELS):
        self._seconds, self._labels = seconds, labels

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """Write predictions and the report."""
        await asyncio.sleep(self._seconds)
        number = int(spec.output.parent.name)
        for file in spec.predict:
            self._answer(file, 0.3 + 0.1 * number)
        rows = sum(1 for path in spec.train for _ in read_jsonl(path))
        report = report_on(spec.output / "adapter", rows)
        write_json(spec.output / "report.json", report)
        return report

    async def predict(self, spec: PredictSpec) -> PredictReport:
        """Write predictions."""
        for file in spec.predict:
            self._answer(file, 0.5)
        return PredictReport()

    def _answer(self, file: PredictFile, chance: float) -> None:
        rng = random.Random(str(chance))
        replies = (
            (row["id"], row["completion"] if rng.random() < chance else rng.choice(self._labels))
            for row in read_jsonl(file.rows)
        )
        write_jsonl(file.output, [{"id": name, "text": text} for name, text in replies])


def make_data(folder: Path, rows: int) -> None:
    """Write `rows` rows per split, each with twelve words and a label."""
    rng = random.Random(0)
    for split in ("train", "validation", "test"):
        write_jsonl(
            folder / f"{split}.jsonl",
            [
                {"id": f"{split}-{i}", "prompt": words(rng, 12), "completion": LABELS[i % len(LABELS)]}
                for i in range(rows)
            ],
        )


def report_on(artifact: Path, rows: int) -> TrainReport:
    """The report of a training on so many rows."""
    return TrainReport(
        steps=1,
        rows=rows,
        over_long=[],
        loss=[LossPoint(step=1, loss=1.0, learning_rate=1e-3)],
        artifact=artifact,
        trainable_parameters=1,
        completion_tokens=rows,
        samples_per_second=1.0,
        micro_batch_size=1,
        accumulation=1,
        num_processes=1,
        predict=PredictReport(),
        seconds={"load": 0.0, "train": 0.0, "predict": 0.0},
        device="cpu",
        dtype="float32",
    )
