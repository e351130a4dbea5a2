"""What one run's nodes work with: the ports, the task, and the run's folder as typed rows."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from graphs.checks.corpus import Corpus
from graphs.context import LoopSpec
from graphs.ports import Embedder, Student, Teacher
from graphs.review import Drafts
from graphs.rows import Batch, NewRow, Pattern, Strategy
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json, read_jsonl, write_json, write_jsonl
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

    @property
    def key(self) -> str:
        """The id as a file name."""
        return file_key(self.id)

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


def file_key(name: str) -> str:
    """A file name for an id from the user's data, which may hold any characters."""
    return hashlib.sha256(name.encode()).hexdigest()[:20]


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

    def predictions(self, number: int, split: str) -> list[Prediction]:
        return [Prediction(**row) for row in read_jsonl(self.paths.round(number).predictions(split))]

    def score(self, number: int, split: str, examples: list[Example]) -> list[Score]:
        """Score a round's predictions on the rows that they were made for, and keep the scores."""
        by_id = {example.id: example for example in examples}
        predictions = self.predictions(number, split)
        scores = self.task.score_all([by_id[p.id] for p in predictions], predictions)
        write_jsonl(self.paths.round(number).scores(split), scores)
        return scores

    def scores(self, number: int, split: str) -> list[Score]:
        path = self.paths.round(number).scores(split)
        return [Score(**row) for row in read_jsonl(path)] if path.exists() else []

    def failures(self, number: int, split: str) -> dict[str, Failure]:
        """All wrong answers of a round's student, by row id."""

        def read() -> dict[str, Failure]:
            examples = {example.id: example for example in self.examples(split)}
            predictions = {p.id: p for p in self.predictions(number, split)}
            wrong = [score for score in self.scores(number, split) if not score.correct]
            return {score.id: Failure(examples[score.id], predictions[score.id], score) for score in wrong}

        return self._once(f"failures/{number}/{split}", read)

    def patterns(self, number: int) -> dict[str, Pattern]:
        """The patterns that guide a round, by id; empty for a round without."""
        path = self.paths.round(number).patterns
        if not path.exists():
            return {}
        return self._once(
            f"patterns/{number}", lambda: {row["id"]: Pattern(**row) for row in read_jsonl(path)}
        )

    def strategy(self, number: int, name: str) -> Strategy:
        path = self.paths.round(number).strategies / f"{name}.json"
        return self._once(f"strategy/{number}/{name}", lambda: Strategy(**read_json(path)))

    def drafts(self, number: int) -> Drafts:
        """The patterns and strategies of a round as the teacher drafted them, whatever a reviewer has made of them."""
        path = self.paths.round(number).drafts
        if path.exists():
            return {
                row["pattern"]["id"]: (Pattern(**row["pattern"]), Strategy(**row["strategy"]))
                for row in read_json(path)
            }
        return {
            name: (pattern, self.strategy(number, name)) for name, pattern in self.patterns(number).items()
        }

    def settle_drafts(self, number: int, left: Drafts) -> None:
        """Keep the drafts as they were, once, and put in their place what a reviewer has made of them."""
        here = self.paths.round(number)
        if not here.drafts.exists():
            write_json(
                here.drafts,
                [
                    {"pattern": pattern.model_dump(), "strategy": strategy.model_dump()}
                    for pattern, strategy in self.drafts(number).values()
                ],
            )
        for name, (_, strategy) in left.items():
            write_json(here.strategies / f"{name}.json", strategy)
        write_jsonl(here.patterns, [pattern for pattern, _ in left.values()])
        self._read = {
            key: value
            for key, value in self._read.items()
            if not key.startswith((f"patterns/{number}", f"strategy/{number}/"))
        }

    def plan(self, number: int) -> list[Batch]:
        """The batches of a round."""
        path = self.paths.round(number).batches
        return self._once(f"plan/{number}", lambda: [Batch(**row) for row in read_jsonl(path)])

    def candidates(self, number: int) -> list[NewRow]:
        """The rows of a closed round as the checks left them, whatever a reviewer has made of them."""
        return [NewRow(**row).as_checked() for row in read_jsonl(self.paths.round(number).rows)]

    def close_rows(self, number: int, candidates: Sequence[NewRow]) -> int:
        """Keep a round's rows with their verdicts, and the accepted ones for the trainer; returns how many those are."""
        accepted = [candidate for candidate in candidates if candidate.verdict == "accepted"]
        write_jsonl(self.paths.round(number).rows, candidates)
        write_jsonl(self.paths.round(number).accepted, [candidate.training_row() for candidate in accepted])
        return len(accepted)

    def artifact(self, number: int) -> Path:
        """The adapter (or model) folder that a round's training left."""
        return Path(read_json(self.paths.round(number).student / "report.json")["artifact"])

    def accepted(self, until: int) -> list[Example]:
        """The accepted rows of rounds 1 to `until`."""
        paths = [self.paths.round(number).accepted for number in range(1, until + 1)]
        return [Example(**row) for path in paths if path.exists() for row in read_jsonl(path)]

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
