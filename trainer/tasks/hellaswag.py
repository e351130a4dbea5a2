"""HellaSwag: which of four endings continues a context.

Zellers et al. 2019, "HellaSwag: Can a Machine Really Finish Your Sentence?" (arXiv 1905.07830).
Rows: https://huggingface.co/datasets/Rowan/hellaswag, MIT. The labels of the official test split are not public: the
official validation split is the test split here, and validation rows are split off train.
"""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import Any

from trainer.records import Example
from trainer.tasks.base import Hub
from trainer.tasks.cloze import Cloze
from trainer.tasks.multiple_choice import MultipleChoice, prompt_with_options, split_options

OPENING = "Choose the most plausible continuation of the context.\n\nContext: "


class HellaSwag(MultipleChoice):
    """Accuracy of the generated letter."""

    name = "hellaswag"
    source = "HellaSwag, Zellers et al. 2019 (arXiv 1905.07830)"
    hub = Hub(path="Rowan/hellaswag", test="validation")

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        label = int(row["label"])
        return row | {
            "prompt": prompt_with_options(OPENING + row["ctx"], row["endings"]),
            "completion": ascii_uppercase[label],
            "choices": row["endings"],
            "label": label,
        }

    def group(self, example: Example) -> str:
        """The source video or article of the row."""
        return str(example.field("source_id", example.prompt))


class HellaSwagLoglikelihood(Cloze, HellaSwag):
    """Accuracy of the likeliest ending, with the prompt of lm-evaluation-harness's `hellaswag`: its `acc`."""

    name = "hellaswag_loglikelihood"
    source = "lm-evaluation-harness 0.4, `hellaswag`: `acc`"

    def context(self, example: Example) -> str:
        """The context. If the row has the fields of the source, its activity comes first."""
        if example.field("ctx_a") is None:
            return clean(split_options(example.prompt)[0].removeprefix(OPENING)).strip()
        first, second = example.field("ctx_a"), example.field("ctx_b", "")
        return clean(f"{example.field('activity_label')}: {first} {second.capitalize()}")

    def texts(self, example: Example) -> list[str]:
        return [clean(text) for text in super().texts(example)]


class HellaSwagLoglikelihoodNorm(HellaSwagLoglikelihood):
    """Its `acc_norm`: log-likelihoods divided by characters."""

    name = "hellaswag_loglikelihood_norm"
    metric = "accuracy_norm"
    normalize = "characters"
    source = "lm-evaluation-harness 0.4, `hellaswag`: `acc_norm`"


def clean(text: str) -> str:
    """Remove WikiHow's markers such as `[step]`, as lm-evaluation-harness does."""
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")
