"""A student and an embedder that learn in milliseconds: they implement the ports, and no torch is needed."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.ports import Answer, Role
from tests.scripted_teacher_server import answer
from trainer.artifacts import read_jsonl, write_json, write_jsonl
from trainer.records import Prediction
from trainer.specs import LossPoint, PredictFile, PredictReport, PredictSpec, TrainReport, TrainSpec


class FakeStudent:
    """Naive Bayes over the words of the prompt: it knows the words that its training rows show."""

    def __init__(self) -> None:
        self.trained: list[TrainSpec] = []
        self.predicted: list[PredictSpec] = []

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """See `graphs.ports.Student`."""
        self.trained.append(spec)
        train = [row for path in spec.train for row in read_jsonl(path)]
        artifact = spec.output / "adapter"
        artifact.mkdir(parents=True, exist_ok=True)
        write_jsonl(artifact / "rows.jsonl", train)
        report = train_report(artifact, len(train), answer_files(artifact, spec.predict))
        write_json(spec.output / "report.json", report)
        return report

    async def predict(self, spec: PredictSpec) -> PredictReport:
        """See `graphs.ports.Student`."""
        self.predicted.append(spec)
        for file in spec.predict:
            artifact = spec.adapters.get(file.name, spec.adapter)
            if artifact is None:
                # untrained: it has no answer at all
                rows = read_jsonl(file.rows)
                write_jsonl(file.output, [Prediction(id=row["id"], text="") for row in rows])
            else:
                answer_files(artifact, [file])
        return PredictReport(predictions={file.name: file.output for file in spec.predict})


def train_report(artifact: Path, rows: int, predict: PredictReport | None = None) -> TrainReport:
    """The report of a training on so many rows."""
    return TrainReport(
        steps=1,
        rows=rows,
        over_long=[],
        loss=[LossPoint(step=1, loss=1.0, learning_rate=0.1)],
        artifact=artifact,
        trainable_parameters=1,
        completion_tokens=1,
        samples_per_second=1.0,
        micro_batch_size=1,
        accumulation=1,
        num_processes=1,
        predict=predict or PredictReport(predictions={}),
        seconds={"load": 2.0, "train": 0.5, "predict": 0.25},
        device="cpu",
        dtype="float32",
    )


def answer_files(artifact: Path, files: list[PredictFile]) -> PredictReport:
    """Classify the rows of each file by the training rows in `artifact`."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in read_jsonl(artifact / "rows.jsonl"):
        counts[row["completion"]].update(row["prompt"].split())
    for file in files:
        replies = [
            classify(row["id"], row["prompt"], counts, file.unlabeled) for row in read_jsonl(file.rows)
        ]
        write_jsonl(file.output, replies)
    return PredictReport(predictions={file.name: file.output for file in files})


def classify(name: str, prompt: str, counts: dict[str, Counter[str]], certain: bool) -> Prediction:
    """The likeliest label of a prompt, with its probability where that is asked for."""
    fits = {label: fit(prompt, counts[label]) for label in sorted(counts)}
    label = max(fits, key=lambda name: fits[name])
    odds = sum(math.exp(other - fits[label]) for other in fits.values())
    return Prediction(id=name, text=label, certainty=1 / odds if certain else None)


def fit(prompt: str, words: Counter[str]) -> float:
    """Log-likelihood of a prompt's words, each smoothed by a hundredth of a count."""
    total = words.total() + 2.0
    return sum(math.log((words[word] + 0.01) / total) for word in prompt.split())


class FakeEmbedder:
    """Words hashed into 64 dimensions."""

    async def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """See `graphs.ports.Embedder`."""
        vectors = np.full((len(texts), 64), 1e-3, np.float32)
        for place, text in enumerate(texts):
            for word in text.lower().split():
                vectors[place, hashlib.sha256(word.encode()).digest()[0] % 64] += 1
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


@dataclass
class ScriptedTeacher:
    """The scripted teacher without HTTP; `change` may put another answer in place of its own, or raise."""

    change: Any = None
    calls: list[tuple[Role, str, dict[str, Any]]] = field(default_factory=list)

    async def ask(self, role: Role, schema: type[Answer], instructions: str, data: dict[str, Any]) -> Answer:
        """See `graphs.ports.Teacher`."""
        self.calls.append((role, schema.__name__, data))
        reply = answer(schema.__name__, data)
        if self.change:
            reply = self.change(schema.__name__, data, reply)
        return schema.model_validate(reply)

    def asked(self, schema: str) -> list[dict[str, Any]]:
        """The data of the calls for one schema."""
        return [data for _, name, data in self.calls if name == schema]
