"""Training rows as examples for prompts like theirs, without the checks of a `Corpus`, which needs the test rows too."""

from __future__ import annotations

from collections.abc import Sequence

from graphs.checks.corpus import RowText, embed_in_batches
from graphs.checks.nearest import Neighbours
from graphs.checks.template import Template
from graphs.ports import Embedder
from trainer.records import Example


class TrainExamples:
    """Made by `build`. Texts are embedded without the template that all prompts of the task share."""

    def __init__(
        self, embedder: Embedder, template: Template, rows: Sequence[Example], neighbours: Neighbours
    ):
        self._embedder, self._template, self._neighbours = embedder, template, neighbours
        self._rows = {row.id: row for row in rows}

    @classmethod
    async def build(cls, embedder: Embedder, rows: Sequence[Example]) -> TrainExamples:
        """Embed the training rows."""
        template = Template.from_prompts([row.prompt for row in rows])
        vectors = await embed_in_batches(embedder, [template.strip(row.prompt) for row in rows])
        return cls(embedder, template, rows, Neighbours([row.id for row in rows], vectors))

    async def nearest_to(self, prompts: Sequence[str], count: int) -> list[RowText]:
        """The training rows nearest to some prompts; a row ranks by the prompt that it is nearest to."""
        texts = [self._template.strip(prompt) for prompt in prompts]
        found = self._neighbours.nearest(await embed_in_batches(self._embedder, texts), count)
        rows = (self._rows[name] for name, _ in found)
        return [{"prompt": row.prompt, "completion": row.completion} for row in rows]
