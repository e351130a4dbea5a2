"""What one run's nodes work with: the ports, the task, and the run's folder as typed rows."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphs.checks.corpus import Corpus
from graphs.context import LoopSpec
from graphs.ports import Embedder, Student, Teacher
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.artifacts import read_jsonl
from trainer.records import Example, Prediction, Score
from trainer.tasks.base import Task

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """One wrong answer: input, reference, prediction, and the metric's view of it."""

    example: Example
    prediction: Prediction
    score: Score

    @property
    def id(self) -> str:
        return self.example.id

    def shown(self) -> dict[str, str]:
        """As a teacher sees it."""
        return {
            "prompt": self.example.prompt,
            "expected": self.example.completion,
            "predicted": self.prediction.text,
        }

    def judged(self) -> dict[str, Any]:
        """The metric's result, as a teacher sees it."""
        return {"value": round(self.score.value, 4), "explanation": self.score.explanation}


@dataclass
class Workspace:
    """Bound to the nodes when the graph is built; never part of the state."""

    teacher: Teacher
    student: Student
    embedder: Embedder
    task: Task
    loop: LoopSpec
    paths: RunPaths
    _read: dict[str, Any] = field(default_factory=dict)
    """What was read from files that are written once, so that thousands of branches share one reading."""
    _corpus: asyncio.Task[Corpus] | None = None
    _ahead: set[asyncio.Future[Any]] = field(default_factory=set)

    def _once(self, key: str, read: Callable[[], T]) -> T:
        if key not in self._read:
            self._read[key] = read()
        found: T = self._read[key]
        return found

    def examples(self, split: str) -> list[Example]:
        """The checked rows of `train` or `validation`; test rows only come from `open_test`."""
        if split == "test":
            raise ValueError("test rows are sealed: use open_test")
        path = self.paths.data(split)
        return self._once(f"examples/{split}", lambda: [Example(**row) for row in read_jsonl(path)])

    def open_test(self, reason: str) -> list[Example]:
        """The sealed test rows; the access is written down first."""
        log_test_access(self.paths, reason)
        return [Example(**row) for row in read_jsonl(self.paths.data("test"))]

    def round(self, number: int) -> Round:
        """The files of a round."""
        return self._once(f"round/{number}", lambda: Round(self.paths, number))

    def score(self, number: int, split: str, examples: list[Example]) -> list[Score]:
        """Score a round's predictions on the rows that they were made for, and keep the scores."""
        by_id = {example.id: example for example in examples}
        predictions = self.round(number).predictions(split)
        scores = self.task.score_all([by_id[p.id] for p in predictions], predictions)
        self.round(number).write_scores(split, scores)
        return scores

    def failures(self, number: int, split: str) -> dict[str, Failure]:
        """All wrong answers of a round's student, by row id."""

        def read() -> dict[str, Failure]:
            examples = {example.id: example for example in self.examples(split)}
            predictions = {p.id: p for p in self.round(number).predictions(split)}
            wrong = [score for score in self.round(number).scores(split) if not score.correct]
            return {score.id: Failure(examples[score.id], predictions[score.id], score) for score in wrong}

        return self._once(f"failures/{number}/{split}", read)

    def accepted(self, until: int) -> list[Example]:
        """The accepted rows of rounds 1 to `until`."""
        return [row for number in range(1, until + 1) for row in self.round(number).accepted()]

    def embed_ahead(self, text: str) -> None:
        """Begin to embed a text that will be asked for later: the embedder remembers it."""
        # gather: whoever asks for the text later hears of a failure, and nobody has to here
        task = asyncio.gather(self.embedder.embed([text]), return_exceptions=True)
        self._ahead.add(task)
        task.add_done_callback(self._ahead.discard)

    def prepare_corpus(self, number: int) -> asyncio.Task[Corpus]:
        """Begin to build the corpus, beside other work; built once a process, `accept` adds to it round by round."""
        if self._corpus is None:
            self._corpus = asyncio.create_task(self._build_corpus(number))
        return self._corpus

    async def corpus(self, number: int) -> Corpus:
        """The searchable rows: train, guarded (validation and test), and what rounds before `number` accepted."""
        # one branch that is cancelled must not take it from the others
        return await asyncio.shield(self.prepare_corpus(number))

    def forget_corpus(self) -> None:
        """Let the next round build the corpus anew: `accept` added rows to it that a reviewer may have left out."""
        self._corpus = None

    async def aclose(self) -> None:
        """End what goes on beside the nodes."""
        beside: list[asyncio.Task[Any]] = [self._corpus] if self._corpus else []
        if (
            self._corpus
            and self._corpus.done()
            and not self._corpus.cancelled()
            and not self._corpus.exception()
        ):
            beside.append(self._corpus.result().checks)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)

    async def _build_corpus(self, number: int) -> Corpus:
        return await Corpus.build(
            task=self.task,
            loop=self.loop,
            embedder=self.embedder,
            train=self.examples("train"),
            accepted=self.accepted(number - 1),
            guarded={
                "validation": self.examples("validation"),
                "test": self.open_test("compared with new rows, so that none of it leaks into training"),
            },
        )


def log_test_access(paths: RunPaths, reason: str) -> None:
    """Append one line to the list of test accesses, on disk before the rows are read."""
    paths.test_access.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"time": round(time.time(), 3), "process": os.getpid(), "reason": reason})
    with paths.test_access.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
