"""What a new row must pass before a judge is asked: checks that cost nothing.

All rows of a task share a template ("Classify the query ...", "Intent:"), so texts are compared without it
(`Template`). A row is compared with train and with what was accepted (duplicates), and with validation and
test rows (leaks).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from graphs.context import LoopSpec
from graphs.rows import Check
from trainer.records import Example

Vectors = NDArray[np.float32]
Gram = tuple[str, ...]

# Scripts without spaces between words (kana, Han, Hangul): each character counts as a word.
WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+")
APOSTROPHE = re.compile(r"(?<=\w)['’`](?=\w)")
NEAR_WORDS = 3
LEAK_WORDS = 5
SHORT = 4
"""Texts of fewer words say too little to be called alike unless their whole prompts are the same."""


def words(text: str) -> list[str]:
    """The words of a text for comparison: Unicode NFKC, lower case, without punctuation ("Don't" is "dont").

    A text without words, such as "?!" or an emoji, counts as its characters.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return WORD.findall(APOSTROPHE.sub("", folded)) or [c for c in folded if not c.isspace()]


@dataclass(frozen=True)
class Template:
    """What nearly all prompts of a task share, to be taken off before texts are compared or embedded."""

    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    """Words (between blanks) that nearly all prompts begin and end with."""
    lines: frozenset[str] = frozenset()
    """Further whole lines that many prompts have."""
    heads: frozenset[str] = frozenset()
    """Labels at the beginning of a line of many prompts, such as "Message:"."""

    @classmethod
    def from_prompts(cls, prompts: Sequence[str], share: float = 0.9, line_share: float = 0.05) -> Template:
        """Estimate the template from training prompts.

        Args:
            share: of the prompts that must begin (or end) with a word for it to be template.
            line_share: of the prompts that must have a line, or a label before a colon, for it to be
                template.
        """
        if len(prompts) < 3:
            return cls()
        split = [prompt.split() for prompt in prompts]
        prefix = _common_start(split, share)
        suffix = _common_start([parts[len(prefix) :][::-1] for parts in split], share)[::-1]
        ends = cls(tuple(prefix), tuple(suffix))
        bodies = [ends.strip(prompt).splitlines() for prompt in prompts]
        least = max(3, line_share * len(prompts))
        lines = Counter(line for body in bodies if len(body) > 1 for line in {line.strip() for line in body})
        heads = Counter(head for body in bodies for head in {_head(line) for line in body})
        return cls(
            ends.prefix,
            ends.suffix,
            frozenset(line for line, count in lines.items() if line and count >= least),
            frozenset(head for head, count in heads.items() if head and count >= least),
        )

    def strip(self, prompt: str) -> str:
        """The prompt's own text; empty when there is nothing but template."""
        spans = [match.span() for match in re.finditer(r"\S+", prompt)]
        texts = [prompt[start:end] for start, end in spans]
        first, last = 0, len(spans)
        if self.prefix and tuple(texts[: len(self.prefix)]) == self.prefix:
            first = len(self.prefix)
        if self.suffix and tuple(texts[first:][-len(self.suffix) :]) == self.suffix:
            last -= len(self.suffix)
        body = prompt[spans[first][0] : spans[last - 1][1]] if first < last else ""
        kept = [
            self._without_head(line.strip()) for line in body.splitlines() if line.strip() not in self.lines
        ]
        return "\n".join(line for line in kept if line) or body

    def _without_head(self, line: str) -> str:
        head = _head(line)
        return line[len(head) :].strip() if head in self.heads else line


def _common_start(rows: list[list[str]], share: float) -> list[str]:
    """The longest list of words that at least this share of the rows begins with."""
    common: list[str] = []
    alive = rows
    while True:
        nexts = Counter(row[len(common)] for row in alive if len(row) > len(common))
        word, count = nexts.most_common(1)[0] if nexts else ("", 0)
        if count < share * len(rows):
            return common
        alive = [row for row in alive if len(row) > len(common) and row[len(common)] == word]
        common.append(word)


def _head(line: str) -> str:
    """The label that a line begins with, colon included, or an empty text."""
    match = re.match(r"\s*([^\W\d][^:\n]{0,40}:)(?=\s|$)", line)
    return match.group(1) if match else ""


@dataclass(frozen=True)
class Finding:
    """Why a row was rejected."""

    check: Check
    reason: str
    evidence: dict[str, Any] | None = None
    """For duplicates and leaks: `id`, `split` and `text` of the matching row, and `similarity`, 0 to 1."""


@dataclass(frozen=True)
class _Row:
    """A row that new ones are compared with."""

    id: str
    split: str
    prompt: str

    def evidence(self, similarity: float) -> dict[str, Any]:
        return {"id": self.id, "split": self.split, "text": self.prompt, "similarity": round(similarity, 4)}


def grams(tokens: Sequence[str], n: int) -> frozenset[Gram]:
    """The runs of n words of a text; a shorter text is one run."""
    if len(tokens) <= n:
        return frozenset([tuple(tokens)]) if tokens else frozenset()
    return frozenset(zip(*(tokens[i:] for i in range(n)), strict=False))


class NearDuplicates:
    """Finds a row whose word 3-grams overlap with those of a text, by prefix filtering.

    Two sets of Jaccard similarity t or more share a gram among the first n - ceil(t n) + 1 of each, when both
    are sorted by one order (Bayardo et al. 2007, "Scaling up all pairs similarity search"). Sorting by rarity
    keeps the lists short.
    """

    def __init__(self, threshold: float, frequency: Mapping[int, int]):
        self._threshold = threshold
        self._frequency = frequency
        self._rows: list[tuple[_Row, NDArray[np.int64]]] = []
        self._index: dict[int, list[int]] = defaultdict(list)

    def add(self, row: _Row, hashes: frozenset[int]) -> None:
        for gram in self._prefix(hashes):
            self._index[gram].append(len(self._rows))
        self._rows.append((row, np.fromiter(hashes, np.int64, len(hashes))))

    def find(self, hashes: frozenset[int]) -> tuple[_Row, float] | None:
        """The most similar row at or above the threshold, and its Jaccard similarity."""
        best: tuple[_Row, float] | None = None
        for number in {number for gram in self._prefix(hashes) for number in self._index.get(gram, ())}:
            row, other = self._rows[number]
            if min(len(other), len(hashes)) < self._threshold * max(len(other), len(hashes)):
                continue
            similarity = jaccard(hashes, frozenset(other.tolist()))
            if similarity >= max(self._threshold, best[1] if best else 0.0):
                best = row, similarity
        return best

    def _prefix(self, hashes: frozenset[int]) -> list[int]:
        length = len(hashes) - math.ceil(self._threshold * len(hashes)) + 1
        return sorted(hashes, key=lambda gram: (self._frequency.get(gram, 0), gram))[:length]


def jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    """Size of the intersection over size of the union; 0 for two empty sets."""
    common = len(a & b)
    return common / (len(a) + len(b) - common) if common else 0.0


class RowChecks:
    """The free checks of one task.

    Args:
        template: of the task's prompts.
        train: the given training rows.
        guarded: validation and test rows, by split.
        guarded_vectors: unit embeddings of `template.strip(row.prompt)` for all guarded rows in that order,
            shape (m, d).
        invalid: the task's own check: why a prompt and its completion cannot be right, or None.
        loop: `near_duplicate`, `leak_overlap` and `leak_similarity` are read.
    """

    def __init__(
        self,
        template: Template,
        train: Iterable[Example],
        guarded: Mapping[str, Sequence[Example]],
        guarded_vectors: Vectors,
        invalid: Callable[[str, str], str | None],
        loop: LoopSpec,
    ):
        self._template = template
        self._invalid = invalid
        self._loop = loop
        known = [(row.id, row.prompt) for row in train]
        self._frequency: Counter[int] = Counter()
        self._common: set[Gram] = set()
        for _, prompt in known:
            tokens = words(template.strip(prompt))
            self._frequency.update(map(hash, grams(tokens, NEAR_WORDS)))
            self._common |= grams(tokens, LEAK_WORDS)
        self._exact: dict[str, _Row] = {}
        self._near = NearDuplicates(loop.near_duplicate, self._frequency)
        self._extend("train", known)
        self._guarded = [_Row(row.id, split, row.prompt) for split, rows in guarded.items() for row in rows]
        if guarded_vectors.ndim != 2 or len(guarded_vectors) != len(self._guarded):
            raise ValueError(
                f"{len(self._guarded)} guarded rows need as many vectors: {guarded_vectors.shape}"
            )
        self._guarded_exact: dict[str, _Row] = {}
        self._guarded_grams: dict[Gram, list[int]] = defaultdict(list)
        self._guarded_sizes: list[int] = []
        for number, row in enumerate(self._guarded):
            self._guard(number, row)
        self._similar = faiss.IndexFlatIP(guarded_vectors.shape[1])
        self._similar.add(np.ascontiguousarray(guarded_vectors, dtype=np.float32))

    def add(self, ids: Sequence[str], prompts: Sequence[str]) -> None:
        """Extend the accepted rows."""
        self._extend("accepted", zip(ids, prompts, strict=True))

    def check(self, samples: Sequence[tuple[str, str]], vectors: Vectors) -> list[Finding | None]:
        """Findings for (prompt, completion) samples of one batch, in order; None for a row that passes.

        Of two alike samples in the batch the earlier one wins. Nothing is added: call `add` with what is
        accepted.

        Args:
            vectors: unit embeddings of `template.strip(prompt)`, shape (len(samples), d).
        """
        if len(vectors) != len(samples):
            raise ValueError(f"{len(samples)} samples need as many vectors, not {len(vectors)}")
        batch = RowBatch(self._loop.near_duplicate)
        findings: list[Finding | None] = []
        for number, (prompt, completion) in enumerate(samples):
            finding = self._check(prompt, completion, vectors[number], batch)
            if finding is None:
                batch.add(number, prompt, words(self._template.strip(prompt)))
            findings.append(finding)
        return findings

    def _check(self, prompt: str, completion: str, vector: Any, batch: RowBatch) -> Finding | None:
        text = self._template.strip(prompt)
        if not text.strip() or not completion.strip():
            return Finding("empty", "the prompt or the completion has no text of its own")
        if problem := self._invalid(prompt, completion):
            return Finding("invalid", problem)
        tokens = words(text)
        return self._duplicate(prompt, tokens, batch) or self._leak(prompt, tokens, vector)

    def _duplicate(self, prompt: str, tokens: list[str], batch: RowBatch) -> Finding | None:
        key = " ".join(words(prompt))
        if row := self._exact.get(key) or batch.exact.get(key):
            return Finding("duplicate", f"same prompt as {row.split} row {row.id}", row.evidence(1.0))
        if len(tokens) < SHORT:
            return None
        hashes = frozenset(map(hash, grams(tokens, NEAR_WORDS)))
        if found := batch.near.find(hashes) or self._near.find(hashes):
            row, similarity = found
            reason = f"nearly the prompt of {row.split} row {row.id}"
            return Finding("duplicate", reason, row.evidence(similarity))
        return None

    def _leak(self, prompt: str, tokens: list[str], vector: Any) -> Finding | None:
        keys = [" ".join(words(prompt))] + ([" ".join(tokens)] if len(tokens) >= SHORT else [])
        for key in keys:
            if row := self._guarded_exact.get(key):
                return Finding("leak", f"same text as {row.split} row {row.id}", row.evidence(1.0))
        if len(tokens) < SHORT or not self._guarded:
            return None
        if found := self._overlap(tokens):
            row, overlap = found
            return Finding("leak", f"shares its wording with {row.split} row {row.id}", row.evidence(overlap))
        similarities, rows = self._similar.search(np.atleast_2d(vector).astype(np.float32), 1)
        if similarities[0, 0] >= self._loop.leak_similarity:
            row = self._guarded[int(rows[0, 0])]
            reason = f"means the same as {row.split} row {row.id}"
            return Finding("leak", reason, row.evidence(float(similarities[0, 0])))
        return None

    def _overlap(self, tokens: list[str]) -> tuple[_Row, float] | None:
        """The guarded row that shares the largest part of its 5-grams, at or above the threshold."""
        own = grams(tokens, LEAK_WORDS) - self._common
        counts = Counter(number for gram in own for number in self._guarded_grams.get(gram, ()))
        shares = {
            number: count / min(len(own), self._guarded_sizes[number]) for number, count in counts.items()
        }
        number = max(shares, key=shares.__getitem__, default=None)
        if number is None or shares[number] < self._loop.leak_overlap:
            return None
        return self._guarded[number], shares[number]

    def _guard(self, number: int, row: _Row) -> None:
        tokens = words(self._template.strip(row.prompt))
        self._guarded_exact.setdefault(" ".join(words(row.prompt)), row)
        if len(tokens) >= SHORT:
            self._guarded_exact.setdefault(" ".join(tokens), row)
        telling = grams(tokens, LEAK_WORDS) - self._common
        self._guarded_sizes.append(len(telling))
        for gram in telling:
            self._guarded_grams[gram].append(number)

    def _extend(self, split: str, rows: Iterable[tuple[str, str]]) -> None:
        for id_, prompt in rows:
            row = _Row(id_, split, prompt)
            self._exact.setdefault(" ".join(words(prompt)), row)
            tokens = words(self._template.strip(prompt))
            if len(tokens) >= SHORT:
                self._near.add(row, frozenset(map(hash, grams(tokens, NEAR_WORDS))))


class RowBatch:
    """The samples of one batch that passed so far."""

    def __init__(self, threshold: float):
        self.exact: dict[str, _Row] = {}
        self.near = NearDuplicates(threshold, {})

    def add(self, number: int, prompt: str, tokens: list[str]) -> None:
        row = _Row(str(number), "batch", prompt)
        self.exact.setdefault(" ".join(words(prompt)), row)
        if len(tokens) >= SHORT:
            self.near.add(row, frozenset(map(hash, grams(tokens, NEAR_WORDS))))
