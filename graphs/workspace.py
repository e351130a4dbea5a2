"""What the nodes of one run share: the ports, the task, and the rows in the run's folder."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphs.artifacts import SealedAccess, TaskBrief
from graphs.checks.corpus import Corpus
from graphs.checks.openings import Openings
from graphs.checks.prompt_form import PromptForm
from graphs.context import Context, LoopSpec
from graphs.ports import Embedder, Student, Teacher
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from graphs.task_brief import write_brief
from graphs.teacher.cost import NOTHING_SPENT, Cost
from trainer.artifacts import read_model, read_models, write_json
from trainer.records import Example, Prediction, Score
from trainer.tasks.base import Task

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """One wrong answer: the row, the prediction and its score."""

    example: Example
    prediction: Prediction
    score: Score

    @property
    def id(self) -> str:
        return self.example.id

    def for_teacher(self) -> dict[str, str]:
        """The failure as a teacher sees it."""
        return {
            "prompt": self.example.prompt,
            "expected": self.example.completion,
            "predicted": self.prediction.text,
        }

    def score_for_teacher(self) -> dict[str, Any]:
        """The score as a teacher sees it."""
        return {"value": round(self.score.value, 4), "explanation": self.score.explanation}


@dataclass
class Workspace:
    """Bound to the nodes when the graph is built. It is never part of the state."""

    teacher: Teacher
    student: Student
    embedder: Embedder
    task: Task
    loop: LoopSpec
    paths: RunPaths
    spent: Callable[[], Cost] = lambda: NOTHING_SPENT
    """What the teacher has cost so far."""
    _read: dict[str, Any] = field(default_factory=dict)
    """Contents of files that are written once, so that thousands of branches read them once."""
    _corpus: asyncio.Task[Corpus] | None = None
    _brief: asyncio.Task[TaskBrief] | None = None
    _embeddings: set[asyncio.Future[Any]] = field(default_factory=set)

    def _once(self, key: str, read: Callable[[], T]) -> T:
        if key not in self._read:
            self._read[key] = read()
        value: T = self._read[key]
        return value

    def examples(self, split: str) -> list[Example]:
        """The checked rows of `train` or `validation`. Test rows only come from `open_test`."""
        if split == "test":
            raise ValueError("test rows are sealed: use open_test")
        path = self.paths.data(split)
        return self._once(f"examples/{split}", lambda: read_models(Example, path))

    def unlabeled(self) -> dict[str, Example]:
        """The rows of `data.unlabeled` by id, with empty completions; none without such a file."""
        path = self.paths.data("unlabeled")

        def read() -> dict[str, Example]:
            rows = read_models(Example, path) if path.exists() else []
            return {row.id: row for row in rows}

        return self._once("unlabeled", read)

    def unlabeled_left(self, round_number: int) -> list[Example]:
        """The unlabelled rows that no round before this one used, whatever their verdict."""
        rounds = (self.round(n).rows() for n in range(1, round_number))
        used = {row.source for rows in rounds for row in rows if row.origin == "unlabeled"}
        return [row for name, row in self.unlabeled().items() if name not in used]

    @property
    def prompt_form(self) -> PromptForm:
        """What nearly all train rows share."""
        return self._once("prompt_form", lambda: PromptForm.from_rows(self.examples("train")))

    @property
    def openings(self) -> Openings:
        """The turns before the prompts of train rows."""
        return self._once("openings", lambda: Openings.from_rows(self.examples("train")))

    def open_test(self, reason: str) -> list[Example]:
        """The sealed test rows. The access is recorded before they are read."""
        log_test_access(self.paths, reason)
        return read_models(Example, self.paths.data("test"))

    def round(self, round_number: int) -> Round:
        """The files of a round."""
        return self._once(f"round/{round_number}", lambda: Round(self.paths, round_number))

    async def score(self, predictions: Sequence[Prediction], examples: Iterable[Example]) -> list[Score]:
        """Scores of predictions, in their order.

        Args:
            examples: at least the rows that were predicted.
        """
        by_id = {example.id: example for example in examples}
        rows = [by_id[prediction.id] for prediction in predictions]
        # in a thread: programs take a while to run, and the run's lease is renewed meanwhile
        return await asyncio.to_thread(self.task.score_all, rows, predictions)

    async def score_round(self, round_number: int, split: str) -> list[Score]:
        """Score a round's predictions, and write the scores."""
        current = self.round(round_number)
        scores = await self.score(current.predictions(split), self.examples(split))
        current.write_scores(split, scores)
        return scores

    def failures(self, round_number: int, split: str) -> dict[str, Failure]:
        """All wrong answers of a round's student, by row id."""

        def read() -> dict[str, Failure]:
            examples = {example.id: example for example in self.examples(split)}
            current = self.round(round_number)
            predictions = {p.id: p for p in current.predictions(split)}
            wrong = [score for score in current.scores(split) if not score.correct]
            return {score.id: Failure(examples[score.id], predictions[score.id], score) for score in wrong}

        return self._once(f"failures/{round_number}/{split}", read)

    def accepted(self, until: int) -> list[Example]:
        """The accepted rows of rounds 1 to `until`."""
        return [row for n in range(1, until + 1) for row in self.round(n).accepted()]

    async def brief(self, context: Context) -> dict[str, Any]:
        """The task as teachers are told it. It is made once in a run, at the first question that needs it."""
        if self._brief is None:
            self._brief = asyncio.create_task(self._make_brief(context))
        # shield, because one cancelled branch must not stop it for the others
        return (await asyncio.shield(self._brief)).for_teacher()

    async def _make_brief(self, context: Context) -> TaskBrief:
        path = self.paths.task_brief
        if not path.exists():
            brief = await write_brief(context, self.task, self.examples("train"), self.teacher)
            write_json(path, brief)
        return read_model(TaskBrief, path)

    def embed_ahead(self, text: str) -> None:
        """Start to embed a text that is needed later. The embedder remembers the result."""
        # gather, because an exception must only reach the caller that asks for the text later
        task = asyncio.gather(self.embedder.embed([text]), return_exceptions=True)
        self._embeddings.add(task)
        task.add_done_callback(self._embeddings.discard)

    def prepare_corpus(self, round_number: int) -> asyncio.Task[Corpus]:
        """Start to build the corpus in the background, once per process. `accept` adds rows each round."""
        if self._corpus is None:
            self._corpus = asyncio.create_task(self._build_corpus(round_number))
        return self._corpus

    async def corpus(self, round_number: int) -> Corpus:
        """The searchable rows: train, guarded (validation and test), and the rows accepted before this round."""
        # shield, because one cancelled branch must not stop the build for the others
        return await asyncio.shield(self.prepare_corpus(round_number))

    def forget_corpus(self) -> None:
        """Make the next round build the corpus again, because `accept` added rows to it that were dropped later."""
        self._corpus = None

    async def aclose(self) -> None:
        """Stop the background tasks."""
        background: list[asyncio.Task[Any]] = [task for task in (self._corpus, self._brief) if task]
        if (
            self._corpus
            and self._corpus.done()
            and not self._corpus.cancelled()
            and not self._corpus.exception()
        ):
            background.append(self._corpus.result().checks)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)

    async def _build_corpus(self, round_number: int) -> Corpus:
        return await Corpus.build(
            task=self.task,
            loop=self.loop,
            embedder=self.embedder,
            train=self.examples("train"),
            accepted=self.accepted(round_number - 1),
            guarded={
                "validation": self.examples("validation"),
                "test": self.open_test("compared with new rows, so that none of it leaks into training"),
            },
        )


def log_test_access(paths: RunPaths, reason: str) -> None:
    """Append one line to `test_access.jsonl`, on disk when this returns. Call it before the rows are read."""
    paths.test_access.parent.mkdir(parents=True, exist_ok=True)
    access = SealedAccess(time=round(time.time(), 3), process=os.getpid(), reason=reason)
    with paths.test_access.open("a", encoding="utf-8") as file:
        file.write(json.dumps(access.model_dump()) + "\n")
        file.flush()
        os.fsync(file.fileno())
