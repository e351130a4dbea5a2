"""Full fine-tuning of the 1B shape."""

from __future__ import annotations

from benchmarks.gpu.check import Check
from benchmarks.gpu.steps.lora import best_micro_batch, training_file

SHAPE = "large"


def run(check: Check) -> None:
    best_micro_batch(check, training_file(check), SHAPE, method="full", learning_rate=1e-5)
