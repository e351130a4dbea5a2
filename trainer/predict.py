"""Predictions of a student on files of rows: `python -m trainer.predict SPEC.json`.

`trainer.finetune` calls `predict_files` at the end of training, in the same process. On a CPU students predict in
float32 with merged weights unless `student.dtype` asks for bf16: in bf16 a reply depends on the rows that share its
batch and on whether the adapter is merged, and students are compared row by row.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainer.artifacts import write_json, write_jsonl
from trainer.chat import without_thought
from trainer.data import Encoder, Row, reply_limit, stop_tokens
from trainer.data_files import DataError, read_examples
from trainer.engines import Engine, local_engine
from trainer.fencing import Superseded, guard
from trainer.merged import predict_dtype, ready
from trainer.model import load_model, load_tokenizer
from trainer.precision import pick_device
from trainer.progress import ProgressLog, peak_memory_mb
from trainer.records import Example, Prediction
from trainer.replies import Done
from trainer.specs import PredictFile, PredictReport, PredictSpec, StudentSpec
from trainer.tasks import Task, add_task_folder, load_task
from trainer.vllm import VllmError, served
from trainer.weights import ModelError, resolve_model

KNOWN = (DataError, ModelError, VllmError, OSError)
"""Errors that speak for themselves."""


def main(arguments: list[str]) -> int:
    """Run one spec file; returns the exit code (see docs/guides/trainer.md). Errors are one paragraph on stderr."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m trainer.predict SPEC.json\n")
        return 2
    try:
        spec = PredictSpec.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 2
    if (spec.output / "report.json").exists():
        return 0
    if spec.fence:
        guard(spec.fence)
    progress = ProgressLog(spec.output / "progress.jsonl")
    try:
        predict(spec, progress)
    except KNOWN as error:
        message = " ".join(str(error).split())
        sys.stderr.write(f"{message}\n")
        # The disk may be full.
        with contextlib.suppress(OSError):
            progress.write(stage="error", message=message)
        return 1
    except Superseded as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


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
    examples = [task.load(file.rows) for file in files]
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
    examples = [task.load(file.rows) for file in files]
    counter = Counter(progress, sum(map(len, examples)))
    report = PredictReport(device="server", dtype=student.dtype, engine="vllm")
    with served(student, str(resolve_model(student.model)), adapter) as engine:
        _answer_all(Predictor(engine, tokenizer, task, student, counter), files, examples, report)
    report.seconds |= {"load": 0.0, "predict": time.monotonic() - start}
    return report


def _answer_all(
    predictor: Predictor, files: Sequence[PredictFile], examples: list[list[Example]], report: PredictReport
) -> None:
    """Write the predictions of each file, and fill in the report."""
    for file, rows in zip(files, examples, strict=True):
        predictions, over_long = predictor.answer(rows)
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


class Predictor:
    """Answers rows with one student, by generation or by choice, as the task renders them."""

    def __init__(self, engine: Engine, tokenizer: Any, task: Task, student: StudentSpec, done: Done):
        self.engine = engine
        self.tokenizer = tokenizer
        self.task = task
        self.encoder = Encoder(task, tokenizer, student)
        self.stops = stop_tokens(tokenizer, student)
        self.max_length = student.max_length
        self.max_new_tokens = reply_limit(task, student)
        self.done = done

    def answer(self, examples: Sequence[Example]) -> tuple[list[Prediction], list[str]]:
        """A prediction for each example, in order, and the ids of those that are too long to be answered.

        Raises:
            DataError: a row has an empty choice, whose likelihood says nothing.
        """
        rows = self.encoder.rows(examples)
        over_long = [row.id for row in rows if asked(row) > self.max_length]
        answers = {id: Prediction(id=id, text="", truncated=True) for id in over_long}
        self.done(len(over_long))
        pairs = [pair for pair in zip(examples, rows, strict=True) if pair[1].id not in answers]
        answers |= self._generate([row for _, row in pairs if row.choices is None])
        answers |= self._choose([(example, row) for example, row in pairs if row.choices is not None])
        return [answers[row.id] for row in rows], over_long

    def _generate(self, rows: list[Row]) -> dict[str, Prediction]:
        replies = self.engine.generate(
            [row.prompt for row in rows],
            max_new_tokens=self.max_new_tokens,
            stops=self.stops,
            done=self.done,
        )
        return {
            row.id: Prediction(
                id=row.id,
                text=without_thought(self.tokenizer.decode(reply.tokens, skip_special_tokens=True)),
                tokens=len(reply.tokens),
                truncated=reply.truncated,
            )
            for row, reply in zip(rows, replies, strict=True)
        }

    def _choose(self, pairs: list[tuple[Example, Row]]) -> dict[str, Prediction]:
        choices = [row.choices or [] for _, row in pairs]
        for (_, row), texts in zip(pairs, choices, strict=True):
            if not all(texts):
                raise DataError(f"Row {row.id!r} has an empty choice: give each choice a text.")
        scores = self.engine.score([row.prompt for _, row in pairs], choices, done=self.done)
        return {
            row.id: self._chosen(example, row, score)
            for (example, row), score in zip(pairs, scores, strict=True)
        }

    def _chosen(self, example: Example, row: Row, logprobs: list[float]) -> Prediction:
        """The likeliest choice; of equals the first."""
        texts = self.task.render(example).choices or []
        sizes = self._sizes(texts, row)
        weighed = [logprob / size for logprob, size in zip(logprobs, sizes, strict=True)]
        choice = weighed.index(max(weighed))
        return Prediction(id=row.id, text=texts[choice], choice=choice, choice_logprobs=logprobs)

    def _sizes(self, texts: list[str], row: Row) -> list[int]:
        """What a choice's log-probability is divided by, as the task asks."""
        if self.task.normalize == "tokens":
            return [len(choice) for choice in row.choices or []]
        if self.task.normalize == "characters":
            return [len(text) for text in texts]
        if self.task.normalize == "bytes":
            return [len(text.encode()) for text in texts]
        return [1] * len(texts)


def asked(row: Row) -> int:
    """Tokens of a row that the student must read: its prompt and its longest choice."""
    return len(row.prompt) + max((len(choice) for choice in row.choices or []), default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
