"""SQuAD v1.1: a span of a Wikipedia passage that answers a question.

Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (arXiv 1606.05250).
Rows: https://huggingface.co/datasets/rajpurkar/squad, CC BY-SA 4.0. The official test set is not public: the official
validation split (10,570 rows) is the test split here, and validation rows are split off train, whole articles at a time.
"""

from __future__ import annotations

from typing import Any

from trainer.records import Example
from trainer.tasks.base import Hub
from trainer.tasks.extractive_qa import ExtractiveQA, normalize

TEMPLATE = "Answer the question with a short span copied from the passage.\n\nPassage: {context}\n\nQuestion: {question}\n\nAnswer:"


class Squad(ExtractiveQA):
    """Exact match and token F1 against the nearest of the given answers."""

    name = "squad"
    source = "SQuAD v1.1, Rajpurkar et al. 2016 (arXiv 1606.05250), official evaluation script"
    hub = Hub(path="rajpurkar/squad", test="validation")

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        prompt = TEMPLATE.format(context=row["context"], question=row["question"].strip())
        return row | {"prompt": prompt, "completion": row["answers"]["text"][0]}

    def group(self, example: Example) -> str:
        """The title of the article."""
        return str(example.field("title", example.prompt))

    def f1(self, reference: str, reply: str) -> float:
        """As in the official script, a reply that normalization empties has F1 0, even against an empty reference."""
        return super().f1(reference, reply) if normalize(reply) else 0.0
