"""The student and the embedder of `quick_loop.py`: sentence embeddings that are kept on disk, and a logistic regression on them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.loop_student import report_on
from benchmarks.row_choice import Rows, label_of
from benchmarks.row_choice import Student as Classifier
from graphs.checks.template import Template
from trainer.artifacts import read_jsonl, write_json, write_jsonl
from trainer.records import Prediction
from trainer.specs import PredictFile, PredictReport, PredictSpec, TrainReport, TrainSpec

Row = dict[str, Any]
GATHER_SECONDS = 0.05
"""How long a text waits for others to be embedded with it."""


class KeptEmbedder:
    """MiniLM in large batches, which the product's own embedder avoids for the sake of equal bits; each text is embedded once.

    Args:
        file: where vectors are kept between runs; one process at a time.
    """

    def __init__(self, file: Path):
        self._file, self._waiting = file, list[str]()
        self._model: Any = None
        self._vectors: dict[str, NDArray[np.float32]] = {}
        if file.exists():
            kept = np.load(file)
            self._vectors = dict(zip(map(str, kept["texts"]), kept["vectors"], strict=True))

    async def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """See `graphs.ports.Embedder`. Texts that are asked for at about the same time are embedded together."""
        new = [text for text in texts if text not in self._vectors]
        if new:
            self._waiting += new
            await asyncio.sleep(GATHER_SECONDS)
            waiting, self._waiting = self._waiting, []
            self.vectors([*waiting, *new])
        return self.vectors(texts)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), dimensions)."""
        new = list(dict.fromkeys(text for text in texts if text not in self._vectors))
        if new:
            self._vectors |= dict(zip(new, self._embed(new), strict=True))
        return np.stack([self._vectors[text] for text in texts])

    def keep(self) -> None:
        """Write all vectors to the file."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            self._file, texts=np.array(list(self._vectors)), vectors=np.stack(list(self._vectors.values()))
        )

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        import torch
        from sentence_transformers import SentenceTransformer

        from trainer.embed import resolve_embedder

        if self._model is None:
            options = {"use_safetensors": True, "dtype": torch.float32}
            folder = resolve_embedder("builtin:minilm")
            self._model = SentenceTransformer(folder, device="cpu", model_kwargs=options)
        vectors = self._model.encode(texts, batch_size=64, convert_to_tensor=True, show_progress_bar=False)
        unit: NDArray[np.float32] = torch.nn.functional.normalize(vectors.float(), dim=1).numpy()
        return unit


@dataclass(frozen=True)
class Trained:
    """A trained student."""

    template: Template
    classifier: Classifier
    example: dict[str, str]
    """Label -> a completion of a train row that has it."""


class QuickStudent:
    """Implements `graphs.ports.Student`: it classifies a prompt's embedding. Where completions are JSON, the label is the set of
    fields, and a row whose fields are right is answered right."""

    def __init__(self, embedder: KeptEmbedder):
        self._embedder = embedder
        self._trained: dict[Path, Trained] = {}

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """See `graphs.ports.Student`."""
        train = [row for path in spec.train for row in read_jsonl(path)]
        artifact = spec.output / "adapter"
        artifact.mkdir(parents=True, exist_ok=True)
        write_jsonl(artifact / "rows.jsonl", train)
        self._answer(artifact, spec.predict)
        report = report_on(artifact, len(train))
        write_json(spec.output / "report.json", report)
        return report

    async def predict(self, spec: PredictSpec) -> PredictReport:
        """See `graphs.ports.Student`."""
        for file in spec.predict:
            artifact = spec.adapters.get(file.name, spec.adapter)
            assert artifact, "the quick student has to be trained"
            self._answer(artifact, [file])
        return PredictReport()

    def _answer(self, artifact: Path, files: Sequence[PredictFile]) -> None:
        trained = self.trained(artifact)
        for file in files:
            rows = list(read_jsonl(file.rows))
            labels = trained.classifier.model.predict(self.embedded(rows, trained.template).vectors)
            replies = [reply(row, str(x), trained.example) for row, x in zip(rows, labels, strict=True)]
            write_jsonl(file.output, replies)

    def trained(self, artifact: Path) -> Trained:
        """What a training left."""
        if artifact not in self._trained:
            train = list(read_jsonl(artifact / "rows.jsonl"))
            template = Template.from_prompts([row["prompt"] for row in train])
            self._trained[artifact] = Trained(
                template,
                Classifier(self.embedded(train, template)),
                {label_of(row["completion"]): row["completion"] for row in train},
            )
        return self._trained[artifact]

    def embedded(self, rows: Sequence[Row], template: Template) -> Rows:
        """Embeddings of the rows without the template of their prompts, with their labels."""
        vectors = self._embedder.vectors([template.strip(row["prompt"]) for row in rows])
        return Rows(vectors, np.array([label_of(row["completion"]) for row in rows]))


def reply(row: Row, label: str, example: dict[str, str]) -> Prediction:
    """The row's own completion if the label is right, else one that a train row with the label has."""
    right = label == label_of(row["completion"])
    return Prediction(id=row["id"], text=row["completion"] if right else example[label])
