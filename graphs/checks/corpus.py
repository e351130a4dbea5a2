"""The rows that new ones are compared with and shown beside: train, accepted, and the guarded splits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from graphs.checks.nearest import Neighbours
from graphs.checks.row_checks import CheckResult, RowChecks
from graphs.checks.template import Template
from graphs.context import LoopSpec
from graphs.ports import Embedder
from graphs.rows import NewRow
from trainer.records import Example
from trainer.tasks.base import Task

Vectors = NDArray[np.float32]
Shown = dict[str, str]
PART = 64
"""Texts embedded at a time: half a second on a small machine, which others who ask have to wait."""


class Corpus:
    """Made by `build`. Examples come from train only; validation and test rows are only ever compared with.

    Texts are embedded without the template that all prompts of the task share. Train comes first: examples can be asked
    for while the rest is still being embedded.
    """

    def __init__(
        self,
        embedder: Embedder,
        template: Template,
        train: Sequence[Example],
        train_vectors: Vectors,
        checks: asyncio.Task[RowChecks],
    ):
        self._embedder = embedder
        self._template = template
        self._train = {example.id: example for example in train}
        self._place = {example.id: place for place, example in enumerate(train)}
        self._vectors = train_vectors
        self._neighbours = Neighbours([example.id for example in train], train_vectors)
        self.checks = checks

    @classmethod
    async def build(
        cls,
        *,
        task: Task,
        loop: LoopSpec,
        embedder: Embedder,
        train: Sequence[Example],
        accepted: Sequence[Example],
        guarded: Mapping[str, Sequence[Example]],
    ) -> Corpus:
        """Embed and index train; the checks, which need all rows, go on beside."""
        template = Template.from_prompts([example.prompt for example in train])

        async def embedded(rows: Sequence[Example]) -> Vectors:
            texts = [template.strip(example.prompt) for example in rows]
            # in parts, so that others who ask meanwhile are not kept waiting
            parts = [await embedder.embed(texts[i : i + PART]) for i in range(0, len(texts), PART)]
            return np.concatenate(parts)

        async def checks() -> RowChecks:
            vectors = await embedded([example for split in guarded.values() for example in split])
            made = RowChecks(template, train, guarded, vectors, task.new_row_error, loop)
            made.add(
                [row.id for row in accepted],
                [row.prompt for row in accepted],
                [row.completion for row in accepted],
            )
            return made

        return cls(embedder, template, train, await embedded(train), asyncio.create_task(checks()))

    def row(self, name: str) -> Shown:
        """A training row, as a teacher sees it."""
        example = self._train[name]
        return {"prompt": example.prompt, "completion": example.completion}

    async def nearest(self, text: str, count: int, seed: str | None = None) -> list[Shown]:
        """The training rows nearest to a text; with a seed, a draw from the nearest `2 * count`, so that
        batches for one text see different rows."""
        vector = await self._embedder.embed([text])
        ids = [name for name, _ in self._neighbours.nearest(vector, count if seed is None else 2 * count)]
        if seed is not None and len(ids) > count:
            ids = random.Random(seed).sample(ids, count)
        return [self.row(name) for name in ids]

    def neighbours_of(self, name: str, count: int, among: Collection[str] | None = None) -> list[Shown]:
        """The training rows nearest to a training row, itself left out.

        Args:
            among: ids of the rows that may be shown; None is all.
        """
        unwanted = {name} if among is None else self._train.keys() - set(among) | {name}
        found = self._neighbours.nearest(self._vectors[self._place[name]], count, exclude=unwanted)
        return [self.row(other) for other, _ in found]

    def draw(self, count: int, seed: str) -> list[Shown]:
        """Any training rows, seeded."""
        names = random.Random(seed).sample(sorted(self._train), min(count, len(self._train)))
        return [self.row(name) for name in names]

    async def check(self, samples: Sequence[Shown]) -> list[CheckResult | None]:
        """The free checks on one batch; None for a row that passes."""
        pairs = [(sample["prompt"], sample["completion"]) for sample in samples]
        checks = await self._ready()
        return checks.check(pairs, await self._embed(pairs)) if pairs else []

    async def admit(self, candidates: Sequence[NewRow]) -> list[CheckResult | None]:
        """Check rows of several batches one after another against all before them, and add those that pass."""
        pairs = [(candidate.prompt, candidate.completion) for candidate in candidates]
        vectors = await self._embed(pairs) if pairs else np.zeros((0, 1), np.float32)
        checks, findings = await self._ready(), []
        for candidate, pair, vector in zip(candidates, pairs, vectors, strict=True):
            finding = checks.check([pair], vector[None])[0]
            if finding is None:
                checks.add([candidate.id], [candidate.prompt], [candidate.completion])
            findings.append(finding)
        return findings

    async def _ready(self) -> RowChecks:
        # one branch that is cancelled must not take them from the others
        return await asyncio.shield(self.checks)

    async def _embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        return await self._embedder.embed([self._template.strip(prompt) for prompt, _ in pairs])
