"""The 135M shape: LoRA, full fine-tuning, and the loss against float32."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.check import Check
from benchmarks.gpu.steps.lora import compare_precisions, training_file
from benchmarks.gpu.training_run import BASE, figures, train

SHAPE = "small"


WAYS: dict[str, dict[str, Any]] = {
    "lora": {},
    "lora with dropout": {"lora": {**BASE["lora"], "dropout": 0.1}},
    "full": {"method": "full", "learning_rate": 1e-5},
}
"""Changes of the student. Dropout rules packing out."""


def run(check: Check) -> None:
    rows = training_file(check)
    batch = {"batch_size": check.scale.batch_size, "steps": check.scale.steps}
    for name, changes in WAYS.items():
        check.put(
            name,
            value=figures(
                check, SHAPE, train(check, name.replace(" ", "-"), rows, SHAPE, **batch, **changes)
            ),
        )
    compare_precisions(check, rows, SHAPE)
