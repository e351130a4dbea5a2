"""The rows that new rows are compared with: train, accepted rows and the guarded splits."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from graphs.checks.row_checks import CheckResult, RowChecks
from graphs.checks.template import Template
from graphs.checks.train_examples import RowText, TrainExamples, Vectors, embed_prompts
from graphs.context import LoopSpec
from graphs.ports import Embedder
from graphs.rows import NewRow
from trainer.records import Example
from trainer.tasks.base import Task


class Corpus(TrainExamples):
    """Made by `build`. Examples come from train only. Validation and test rows are only compared with new rows.

    Train is embedded first, so that examples are available while the rest is still being embedded.
    """

    def __init__(
        self,
        embedder: Embedder,
        template: Template,
        train: Sequence[Example],
        train_vectors: Vectors,
        strata: Sequence[str],
        checks: asyncio.Task[RowChecks],
    ):
        super().__init__(embedder, template, train, train_vectors)
        self._index = {example.id: index for index, example in enumerate(train)}
        sizes = Counter(strata)
        self._stratum_size = {row.id: sizes[stratum] for row, stratum in zip(train, strata, strict=True)}
        self._vectors = train_vectors
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
        """Embed and index train. The checks need all rows, so they are built in the background."""
        template = Template.from_prompts([example.prompt for example in train])

        async def embedded(rows: Sequence[Example]) -> Vectors:
            return await embed_prompts(embedder, template, [row.prompt for row in rows])

        async def checks() -> RowChecks:
            vectors = await embedded([example for split in guarded.values() for example in split])
            row_checks = RowChecks(template, train, guarded, vectors, task.new_row_error, loop)
            row_checks.add(
                [row.id for row in accepted],
                [row.prompt for row in accepted],
                [row.completion for row in accepted],
            )
            return row_checks

        strata = [task.stratify_key(example) for example in train]
        return cls(embedder, template, train, await embedded(train), strata, asyncio.create_task(checks()))

    async def nearest(self, text: str, count: int, seed: str | None = None) -> list[RowText]:
        """The training rows nearest to a text.

        Args:
            seed: draws them from the nearest `2 * count`, so that batches for one text see different rows.
        """
        vector = await self._embedder.embed([text])
        ids = [name for name, _ in self._neighbours.nearest(vector, count if seed is None else 2 * count)]
        if seed is not None and len(ids) > count:
            ids = random.Random(seed).sample(ids, count)
        return [self.row(name) for name in ids]

    def neighbours_of(self, name: str, count: int, among: Collection[str] | None = None) -> list[RowText]:
        """The training rows nearest to another training row.

        Args:
            among: ids of the rows to choose from. None is all.
        """
        unwanted = {name} if among is None else self._train.keys() - set(among) | {name}
        neighbours = self._neighbours.nearest(self._vectors[self._index[name]], count, exclude=unwanted)
        return [self.row(other) for other, _ in neighbours]

    def draw(self, count: int, seed: str) -> list[RowText]:
        """A seeded draw of training rows."""
        names = random.Random(seed).sample(sorted(self._train), min(count, len(self._train)))
        return [self.row(name) for name in names]

    def draw_balanced(self, count: int, seed: str) -> list[RowText]:
        """A seeded draw of training rows in which the task's strata, such as labels, come up alike, whatever their size."""
        rng = random.Random(seed)
        # a draw by weights without replacement: the smallest of exponential times with these rates (Efraimidis, Spirakis 2006)
        times = {name: rng.expovariate(1 / self._stratum_size[name]) for name in sorted(self._train)}
        return [self.row(name) for name in sorted(times, key=times.__getitem__)[:count]]

    async def check(self, rows: Sequence[RowText]) -> list[CheckResult | None]:
        """The free checks of one batch. None for a row that passes."""
        pairs = [(row["prompt"], row["completion"]) for row in rows]
        checks = await self._ready()
        return checks.check(pairs, await self.embed([prompt for prompt, _ in pairs])) if pairs else []

    async def admit(self, rows: Sequence[NewRow]) -> list[CheckResult | None]:
        """Check rows of several batches one after another, each against all before it. Rows that pass are added."""
        pairs = [(row.prompt, row.completion) for row in rows]
        vectors = await self.embed([row.prompt for row in rows]) if pairs else np.zeros((0, 1), np.float32)
        checks, results = await self._ready(), []
        for row, pair, vector in zip(rows, pairs, vectors, strict=True):
            result = checks.check([pair], vector[None])[0]
            if result is None:
                checks.add([row.id], [row.prompt], [row.completion])
            results.append(result)
        return results

    async def known_prompts(self, prompts: Sequence[str]) -> list[CheckResult | None]:
        """The checks of prompts whose answers are not known yet: leaks and duplicates. None for one that passes."""
        checks = await self._ready()
        return checks.known_prompts(prompts, await self.embed(prompts)) if prompts else []

    async def _ready(self) -> RowChecks:
        # shielded, because one cancelled branch must not stop the build for the others
        return await asyncio.shield(self.checks)
