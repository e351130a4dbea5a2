"""One training by the product's own trainer, in this process, timed by its progress file."""

from __future__ import annotations

import gc
import json
import statistics
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.check import Check
from benchmarks.gpu.flops import Work, datasheet_peak, training_flops
from trainer.data import Row, batches, encode
from trainer.data_files import read_examples
from trainer.finetune import finetune
from trainer.model import load_tokenizer
from trainer.progress import ProgressLog
from trainer.specs import StudentSpec, TrainSpec
from trainer.tasks import load_task

WARM_UP = 3
"""Steps that are not timed: kernels are chosen and the allocator fills."""

RANK, SEED = 16, 0

BASE: dict[str, Any] = {
    "method": "lora",
    "dtype": "bfloat16",
    "learning_rate": 2e-4,
    "schedule": "constant",
    "warmup_ratio": 0.0,
    "checkpoint_every": 10_000,
    "lora": {"r": RANK, "alpha": 2 * RANK, "target_modules": "all-linear"},
}
"""The student of every training here, but for its model, its batch and its steps."""


@dataclass(frozen=True)
class TrainingRun:
    """What one training did."""

    spec: TrainSpec
    seconds: list[float]
    """Of each step after the first, from one progress line to the next."""
    report: dict[str, Any]
    memory_mb: float

    @property
    def loss(self) -> list[float]:
        """The loss of each step."""
        return [point["loss"] for point in self.report["loss"]]


def spec_for(rows: Path, model: Path, output: Path, **student: Any) -> TrainSpec:
    """A training's spec: `BASE` with these changes."""
    return TrainSpec.model_validate(
        {
            "task": "exact_match",
            "student": BASE | {"model": str(model)} | student,
            "train": [rows],
            "output": output,
            "seed": SEED,
        }
    )


def train(check: Check, name: str, rows: Path, shape: str, **student: Any) -> TrainingRun:
    """Fine-tune a student of a shape on `rows`, in a folder of this step."""
    release()
    spec = spec_for(rows, check.model(shape), check.folder(name), **student)
    progress = spec.output / "progress.jsonl"
    finetune(spec, ProgressLog(progress))
    lines = [json.loads(line) for line in progress.read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if line["stage"] == "train"]
    times = [line["time"] for line in steps]
    return TrainingRun(
        spec,
        [after - before for before, after in pairwise(times)],
        json.loads((spec.output / "report.json").read_text(encoding="utf-8")),
        max(line["memory_mb"] for line in steps),
    )


def release() -> None:
    """Give back what the training before left on the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def figures(check: Check, shape: str, run: TrainingRun) -> dict[str, Any]:
    """Rates of the steps after the warm-up, and the share of the peak."""
    student = run.spec.student
    plan = planned(run.spec)[WARM_UP:]
    seconds = sum(run.seconds[WARM_UP - 1 :])
    work = work_of([row for batch in plan for row in batch])
    flops = training_flops(check.scale.shapes[shape], work, student.method, RANK)
    return {
        "tokens_per_second": work.tokens / seconds,
        "completion_tokens_per_second": work.labels / seconds,
        "rows_per_second": sum(map(len, plan)) / seconds,
        "median_step_seconds": statistics.median(run.seconds[WARM_UP - 1 :]),
        "tokens_per_row": work.tokens / sum(map(len, plan)),
        "tflops": flops / seconds / 1e12,
        **utilization(check, flops / seconds),
        "memory_mb": run.memory_mb,
        "memory_estimate": run.report.get("memory"),
        "batch_size": student.batch_size,
        "micro_batch_size": run.report["micro_batch_size"],
        "halvings": run.report["out_of_memory"],
        "timed_steps": len(plan),
    }


def utilization(check: Check, rate: float) -> dict[str, float | None]:
    """Operations per second over the measured peak and over the datasheet's."""
    measured = check.figure("machine", "matmul_tflops")
    listed = datasheet_peak(check.results.read().get("device", ""))
    return {
        "mfu_of_measured_peak": rate / (measured * 1e12) if measured else None,
        "mfu_of_datasheet_peak": rate / listed if listed else None,
    }


def work_of(rows: list[Row]) -> Work:
    """What these rows need."""
    lengths = [row.length for row in rows]
    return Work(sum(lengths), sum(len(row.completion) for row in rows), sum(length**2 for length in lengths))


def planned(spec: TrainSpec) -> list[list[Row]]:
    """The rows of each step, as the trainer takes them."""
    rows = encoded(spec.train[0], spec.student.model)
    steps = spec.student.steps_for(len(rows))
    plan = batches([row.length for row in rows], spec.student.batch_size, steps=steps, seed=spec.seed)
    return [[rows[index] for index in batch] for batch in plan]


@lru_cache(maxsize=4)
def encoded(path: Path, model: str) -> list[Row]:
    """The rows of a file in tokens."""
    student = StudentSpec(model=model)
    return encode(read_examples(path), load_task("exact_match"), load_tokenizer(student), student)[0]


def difference(curve: list[float], reference: list[float]) -> dict[str, float]:
    """How far two loss curves lie apart, in units of the reference's mean."""
    scale = statistics.mean(reference)
    apart = [abs(one - other) / scale for one, other in zip(curve, reference, strict=True)]
    return {"largest": max(apart), "mean": statistics.mean(apart)}
