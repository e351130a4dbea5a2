"""Banking77: the intent of a customer's query to a bank, out of 77.

Casanueva et al. 2020, "Efficient Intent Detection with Dual Sentence Encoders" (arXiv 2003.04807).
Rows: https://github.com/PolyAI-LDN/task-specific-datasets, CC BY 4.0; on the hub as
https://huggingface.co/datasets/legacy-datasets/banking77, the copy of `PolyAI/banking77` that needs no loading script;
10,003 train and 3,080 test rows. Validation rows are split off train.
"""

from __future__ import annotations

from typing import Any

from trainer.tasks.base import Hub
from trainer.tasks.classification import Classification

TEMPLATE = "Classify the banking customer query into one intent label.\n\nQuery: {text}\n\nIntent:"


class Banking77(Classification):
    """Accuracy, and macro F1 in the summary. The labels are those of the training rows."""

    name = "banking77"
    source = "Banking77, Casanueva et al. 2020 (arXiv 2003.04807)"
    hub = Hub(path="legacy-datasets/banking77")

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"prompt": TEMPLATE.format(text=row["text"].strip()), "completion": row["label"]}
