"""Training rows as examples for a teacher, found by their embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphs.checks.nearest import Neighbours
from graphs.checks.template import Template
from graphs.ports import Embedder
from trainer.records import Example

Vectors = NDArray[np.float32]
RowText = dict[str, str]
"""`prompt` and `completion`, as a teacher sees a row."""
EMBED_BATCH = 64
"""Texts embedded at a time. This takes half a second on a small machine, and other callers wait that long."""


class TrainExamples:
    """Made by `train_examples`. Prompts are embedded without the template that all prompts of the task share.

    Args:
        vectors: embeddings of `train`, shape (rows, d).
    """

    def __init__(self, embedder: Embedder, template: Template, train: Sequence[Example], vectors: Vectors):
        self._embedder = embedder
        self._template = template
        self._train = {row.id: row for row in train}
        self._neighbours = Neighbours([row.id for row in train], vectors)

    def row(self, name: str) -> RowText:
        """A training row, as a teacher sees it."""
        example = self._train[name]
        return {"prompt": example.prompt, "completion": example.completion}

    async def nearest_to(self, prompts: Sequence[str], count: int) -> list[RowText]:
        """The training rows nearest to some prompts; a row ranks by the prompt that it is nearest to."""
        return [self.row(name) for name, _ in self._neighbours.nearest(await self.embed(prompts), count)]

    async def embed(self, prompts: Sequence[str]) -> Vectors:
        """Embeddings of prompts without the template that they share, shape (prompts, d)."""
        return await embed_prompts(self._embedder, self._template, prompts)


async def train_examples(embedder: Embedder, train: Sequence[Example]) -> TrainExamples:
    """Embed the training rows. Nothing is compared with the test rows, unlike in a `Corpus`."""
    prompts = [row.prompt for row in train]
    template = Template.from_prompts(prompts)
    return TrainExamples(embedder, template, train, await embed_prompts(embedder, template, prompts))


async def embed_prompts(embedder: Embedder, template: Template, prompts: Sequence[str]) -> Vectors:
    """Embeddings of one or more prompts, in batches, so that other callers do not have to wait for all of them."""
    texts = [template.strip(prompt) for prompt in prompts]
    starts = range(0, len(texts), EMBED_BATCH)
    return np.concatenate([await embedder.embed(texts[start : start + EMBED_BATCH]) for start in starts])
