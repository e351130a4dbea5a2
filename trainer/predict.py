"""Predictions of a student on files of rows: `python -m trainer.predict SPEC.json`.

`trainer.finetune` calls `predict_files` at the end of training, in the same process. On a CPU students predict in
float32 with merged weights unless `student.dtype` asks for bf16: in bf16 a reply depends on the rows that share its
batch and on whether the adapter is merged, and students are compared row by row.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from trainer.artifacts import write_json, write_jsonl
from trainer.data_files import DataError, read_examples
from trainer.engines import local_engine
from trainer.merged import predict_dtype, ready
from trainer.model import load_model, load_tokenizer
from trainer.precision import pick_device
from trainer.predictor import Predictor
from trainer.program import followed, run_spec
from trainer.progress import ProgressLog, peak_memory_mb
from trainer.records import Example
from trainer.specs import PredictFile, PredictReport, PredictSpec, StudentSpec
from trainer.tasks import Task, add_task_folder, load_task
from trainer.vllm import VllmError, served
from trainer.weights import ModelError, resolve_model

KNOWN = (DataError, ModelError, VllmError, OSError, SafetensorError)
"""Errors that speak for themselves."""


def main(arguments: list[str]) -> int:
    """Run one spec file; returns the exit code."""
    return run_spec("predict", PredictSpec, _work, KNOWN, arguments)


def _work(spec: PredictSpec) -> None:
    with followed(spec, KNOWN) as progress:
        if progress:
            predict(spec, progress)


def predict(spec: PredictSpec, progress: ProgressLog) -> PredictReport:
    """Load each student in turn, predict its files, and write `report.json` last.

    Raises:
        DataError: the rows or the task cannot be used.
        ModelError: the student cannot be loaded, or cannot predict rows of this length.
        OSError: a file cannot be written.
    """
    if spec.task_folder:
        add_task_folder(spec.task_folder)
    task = load_task(spec.task, [example for path in spec.train for example in read_examples(path)])
    tokenizer = load_tokenizer(spec.student)
    # A merged model is in float32; an adapter goes on the weights that it was trained on.
    dtype = predict_dtype(pick_device(), spec.student) if spec.student.method == "full" else None
    reports = []
    for adapter, files in by_student(spec).items():
        if spec.student.engine == "vllm":
            reports.append(predict_served(adapter, tokenizer, task, spec.student, files, progress))
            continue
        start = time.monotonic()
        progress.write(stage="load", message=f"Loading {adapter or spec.student.model}")
        model = load_model(spec.student, adapter, trainable=False, dtype=dtype)
        loaded = time.monotonic() - start
        reports.append(predict_files(model, tokenizer, task, spec.student, files, progress))
        reports[-1].seconds["load"] = loaded
        del model  # before the next one is loaded: a device may have room for one
    report = together(reports)
    write_json(spec.output / "report.json", report)
    progress.write(stage="done", step=report.rows, steps=report.rows)
    return report


def by_student(spec: PredictSpec) -> dict[Path | None, list[PredictFile]]:
    """The files of each student, by what training left of it."""
    found: dict[Path | None, list[PredictFile]] = {}
    for file in spec.predict:
        found.setdefault(spec.adapters.get(file.name, spec.adapter), []).append(file)
    return found


def together(reports: Sequence[PredictReport]) -> PredictReport:
    """One report of several: sums, and the device and precision that all have."""
    return PredictReport(
        predictions={name: path for report in reports for name, path in report.predictions.items()},
        rows=sum(report.rows for report in reports),
        generated_tokens=sum(report.generated_tokens for report in reports),
        over_long={name: ids for report in reports for name, ids in report.over_long.items()},
        seconds={part: sum(report.seconds[part] for report in reports) for part in ("load", "predict")},
        device=reports[0].device,
        dtype=reports[0].dtype,
        engine=reports[0].engine,
    )


def predict_files(
    model: Any,
    tokenizer: Any,
    task: Task,
    student: StudentSpec,
    files: Sequence[PredictFile],
    progress: ProgressLog,
) -> PredictReport:
    """Answer all rows of some files and write their predictions, each file atomically and in its rows' order.

    Args:
        model: in evaluation mode, with or without an adapter; it is the same again afterwards.
        tokenizer: the student's.
        task: renders the rows and says whether replies are generated or chosen.
        student: template, lengths, batch size, precision.
        files: what to predict, and where the predictions go.
        progress: gets a line for each batch.
    """
    start = time.monotonic()
    examples = [read_rows(task, file) for file in files]
    counter = Counter(progress, sum(map(len, examples)))
    with ready(model, student) as dtype:
        engine = local_engine(model, student)
        report = PredictReport(device=model.device.type, engine=engine.name)
        report.dtype = str(dtype).removeprefix("torch.")
        _answer_all(Predictor(engine, tokenizer, task, student, counter), files, examples, report)
    report.seconds["predict"] = time.monotonic() - start
    return report


def predict_served(
    adapter: Path | None,
    tokenizer: Any,
    task: Task,
    student: StudentSpec,
    files: Sequence[PredictFile],
    progress: ProgressLog,
) -> PredictReport:
    """As `predict_files`, by a vLLM server, which has the weights.

    Raises:
        VllmError: the server cannot be used.
    """
    start = time.monotonic()
    examples = [read_rows(task, file) for file in files]
    counter = Counter(progress, sum(map(len, examples)))
    report = PredictReport(device="server", dtype=student.dtype, engine="vllm")
    # a server that runs has the weights
    source = student.model if student.vllm_url else str(resolve_model(student.model))
    with served(student, source, adapter) as engine:
        _answer_all(Predictor(engine, tokenizer, task, student, counter), files, examples, report)
    report.seconds |= {"load": 0.0, "predict": time.monotonic() - start}
    return report


def read_rows(task: Task, file: PredictFile) -> list[Example]:
    """The rows of a file, with or without answers."""
    return task.load_prompts(file.rows) if file.unlabeled else task.load(file.rows)


def _answer_all(
    predictor: Predictor, files: Sequence[PredictFile], examples: list[list[Example]], report: PredictReport
) -> None:
    """Write the predictions of each file, and fill in the report."""
    for file, rows in zip(files, examples, strict=True):
        predictions, over_long = predictor.answer(rows, certainty=file.unlabeled)
        write_jsonl(file.output, predictions)
        report.rows += len(rows)
        report.predictions[file.name] = file.output
        report.generated_tokens += sum(prediction.tokens for prediction in predictions)
        if over_long:
            report.over_long[file.name] = over_long


@dataclass
class Counter:
    """Counts answered rows into the progress file."""

    progress: ProgressLog
    total: int
    rows: int = 0
    start: float = field(default_factory=time.monotonic)

    def __call__(self, rows: int) -> None:
        """A batch of so many rows is done."""
        self.rows += rows
        seconds = time.monotonic() - self.start
        self.progress.write(
            stage="predict",
            step=self.rows,
            steps=self.total,
            memory_mb=peak_memory_mb(),
            eta_seconds=seconds * (self.total / self.rows - 1) if self.rows else None,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
