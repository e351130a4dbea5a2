"""The free checks of a new row. They run before a judge is asked.

All prompts of a task share a template ("Classify the query ...", "Intent:"), so texts are compared without it
(`Template`). A row is compared with train and accepted rows (duplicates), and with validation and test rows (leaks).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from graphs.checks.overlap import NEAR_WORDS, GuardedTexts, NearDuplicates, grams
from graphs.checks.template import Template
from graphs.context import LoopSpec
from graphs.rows import Verdict
from trainer.records import Example
from trainer.text import words

Vectors = NDArray[np.float32]

SHORT = 4
"""Texts of fewer words are too short to be near duplicates. Only their whole prompts are compared."""
LONG_ANSWER = 8
"""Completions of more words count as free text."""


@dataclass(frozen=True)
class CheckResult:
    """Why a row was rejected."""

    check: Verdict
    reason: str
    evidence: dict[str, Any] | None = None
    """For duplicates and leaks: `id`, `split` and `text` of the matching row, and `similarity`, 0 to 1."""


@dataclass(frozen=True)
class _Row:
    """A row that new ones are compared with."""

    id: str
    split: str
    prompt: str
    answer: str = ""
    """The completion's words if it is short. A long one is free text, which seldom has the same words twice."""

    @property
    def name(self) -> str:
        return f"sample {self.id} of its batch" if self.split == "batch" else f"{self.split} row {self.id}"

    def evidence(self, similarity: float) -> dict[str, Any]:
        return {"id": self.id, "split": self.split, "text": self.prompt, "similarity": round(similarity, 4)}


def _row(id_: str, split: str, prompt: str, completion: str) -> _Row:
    answer = words(completion)
    return _Row(id_, split, prompt, " ".join(answer) if len(answer) <= LONG_ANSWER else "")


class _Known:
    """Rows that a new row must not duplicate."""

    def __init__(self, template: Template, threshold: float, frequency: Mapping[int, int]):
        self._template = template
        self._exact: dict[str, _Row] = {}
        self._rows: list[_Row] = []
        self._near = NearDuplicates(threshold, frequency)

    def add(self, row: _Row) -> None:
        self._exact.setdefault(_key(row.prompt), row)
        tokens = words(self._template.strip(row.prompt))
        if len(tokens) >= SHORT:
            self._rows.append(row)
            self._near.add(grams(tokens, NEAR_WORDS))

    def same(self, prompt: str) -> _Row | None:
        return self._exact.get(_key(prompt))

    def near(self, tokens: Sequence[str], answer: str | None) -> tuple[_Row, float] | None:
        """The row with the most similar prompt and the same answer, and the similarity.

        A similar prompt with another answer is a contrast, from which the student learns.

        Args:
            answer: None is any answer.
        """
        if len(tokens) < SHORT:
            return None
        match = self._near.find(
            grams(tokens, NEAR_WORDS), lambda index: answer is None or self._rows[index].answer == answer
        )
        return (self._rows[match[0]], match[1]) if match else None


class RowChecks:
    """The free checks of one task.

    They come in this order:

    1. empty
    2. invalid
    3. leak: the same text as a guarded row, a text that contains it, its text with some words replaced, its meaning
    4. duplicate: the same prompt with any answer, or nearly the same prompt with the same answer

    So a duplicate is never a leak, and a reviewer may accept it. Texts of fewer than four words ("yes", "4 people
    please") are only compared as whole prompts, with the template.

    Args:
        template: of the task's prompts.
        train: the given training rows.
        guarded: validation and test rows, by split.
        guarded_vectors: unit embeddings of `template.strip(row.prompt)` for all guarded rows in that order,
            shape (m, d). None compares words alone: without a model, rows with another's meaning are not found.
        invalid: the task's own check. It says why a prompt and its completion cannot be right, or None.
        loop: for `near_duplicate`, `leak_overlap` and `leak_similarity`.

    Raises:
        ValueError: guarded rows and vectors differ in number.
    """

    def __init__(
        self,
        template: Template,
        train: Sequence[Example],
        guarded: Mapping[str, Sequence[Example]],
        guarded_vectors: Vectors | None,
        invalid: Callable[[str, str], str | None],
        loop: LoopSpec,
    ):
        self._template, self._invalid, self._loop = template, invalid, loop
        texts = [words(template.strip(row.prompt)) for row in train]
        frequency = Counter(gram for text in texts for gram in grams(text, NEAR_WORDS))
        self._known = _Known(template, loop.near_duplicate, frequency)
        for example in train:
            self._known.add(_row(example.id, "train", example.prompt, example.completion))
        self._guarded = [_Row(row.id, split, row.prompt) for split, rows in guarded.items() for row in rows]
        if guarded_vectors is None:
            guarded_vectors = np.zeros((len(self._guarded), 1), np.float32)
        if guarded_vectors.ndim != 2 or len(guarded_vectors) != len(self._guarded):
            raise ValueError(
                f"{len(self._guarded)} guarded rows need as many vectors: {guarded_vectors.shape}"
            )
        stripped = [words(template.strip(row.prompt)) for row in self._guarded]
        self._copies = GuardedTexts(stripped, texts, loop.leak_overlap)
        self._same: dict[str, _Row] = {}
        for row, tokens in zip(self._guarded, stripped, strict=True):
            for key in _keys(row.prompt, tokens):
                self._same.setdefault(key, row)
        self._similar = faiss.IndexFlatIP(guarded_vectors.shape[1])
        self._similar.add(np.ascontiguousarray(guarded_vectors, dtype=np.float32))

    def add(self, ids: Sequence[str], prompts: Sequence[str], completions: Sequence[str]) -> None:
        """Extend the accepted rows."""
        for id_, prompt, completion in zip(ids, prompts, completions, strict=True):
            self._known.add(_row(id_, "accepted", prompt, completion))

    def check(self, rows: Sequence[tuple[str, str]], vectors: Vectors) -> list[CheckResult | None]:
        """Results for the (prompt, completion) rows of one batch, in order. None for a row that passes.

        Of two similar rows in the batch, the earlier one passes. Nothing is added: call `add` with the accepted rows.

        Args:
            vectors: unit embeddings of `template.strip(prompt)`, shape (len(rows), d).

        Raises:
            ValueError: rows and vectors differ in number.
        """
        if len(vectors) != len(rows):
            raise ValueError(f"{len(rows)} rows need as many vectors, not {len(vectors)}")
        batch = _Known(self._template, self._loop.near_duplicate, {})
        results: list[CheckResult | None] = []
        for index, (prompt, completion) in enumerate(rows):
            row = _row(str(index), "batch", prompt, completion)
            result = self._check(row, completion, vectors[index], batch)
            if result is None:
                batch.add(row)
            results.append(result)
        return results

    def known_prompts(self, prompts: Sequence[str], vectors: Vectors) -> list[CheckResult | None]:
        """As `check`, for prompts whose answers are not known: a near duplicate has any answer, and nothing is empty or
        invalid."""
        results: list[CheckResult | None] = []
        batch = _Known(self._template, self._loop.near_duplicate, {})
        for index, prompt in enumerate(prompts):
            row, tokens = _Row(str(index), "batch", prompt), words(self._template.strip(prompt))
            result = self._leak(row, tokens, vectors[index]) or self._duplicate(
                row, tokens, batch, any_answer=True
            )
            if result is None:
                batch.add(row)
            results.append(result)
        return results

    def _check(self, row: _Row, completion: str, vector: Vectors, batch: _Known) -> CheckResult | None:
        text = self._template.strip(row.prompt)
        if not text.strip() or not completion.strip():
            part = "completion" if text.strip() else "prompt"
            return CheckResult("empty", f"The {part} has no text of its own.")
        if problem := self._invalid(row.prompt, completion):
            return CheckResult("invalid", problem)
        tokens = words(text)
        return self._leak(row, tokens, vector) or self._duplicate(row, tokens, batch)

    def _duplicate(
        self, row: _Row, tokens: list[str], batch: _Known, any_answer: bool = False
    ) -> CheckResult | None:
        if match := batch.same(row.prompt) or self._known.same(row.prompt):
            return CheckResult("duplicate", f"Its prompt is that of {match.name}.", match.evidence(1.0))
        answer = None if any_answer else row.answer
        if near := batch.near(tokens, answer) or self._known.near(tokens, answer):
            match, similarity = near
            return CheckResult(
                "duplicate", f"Its prompt is nearly that of {match.name}.", match.evidence(similarity)
            )
        return None

    def _leak(self, row: _Row, tokens: list[str], vector: Vectors) -> CheckResult | None:
        for key in _keys(row.prompt, tokens):
            if match := self._same.get(key):
                return CheckResult("leak", f"Its text is that of {match.name}.", match.evidence(1.0))
        if len(tokens) < SHORT or not self._guarded:
            return None
        for copy, relation in (
            (self._copies.contained(tokens), "contains the text"),
            (self._copies.reworded(tokens), "has nearly the words"),
            (self._meaning(vector), "has the meaning"),
        ):
            if copy:
                match = self._guarded[copy[0]]
                return CheckResult("leak", f"It {relation} of {match.name}.", match.evidence(copy[1]))
        return None

    def _meaning(self, vector: Vectors) -> tuple[int, float] | None:
        """The nearest guarded row by embedding, at or above the threshold, and its cosine."""
        cosines, rows = self._similar.search(np.atleast_2d(vector).astype(np.float32), 1)
        cosine = float(cosines[0, 0])
        return (int(rows[0, 0]), cosine) if cosine >= self._loop.leak_similarity else None


def _key(text: str) -> str:
    return " ".join(words(text))


def _keys(prompt: str, tokens: Sequence[str]) -> list[str]:
    """Keys to look up a leak: the whole prompt and, unless it is short, the text without its template."""
    return [_key(prompt), *([" ".join(tokens)] if len(tokens) >= SHORT else [])]
