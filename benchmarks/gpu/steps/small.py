"""The 135M shape: LoRA, full fine-tuning, and the loss against float32."""

from __future__ import annotations

from benchmarks.gpu.check import Check
from benchmarks.gpu.steps.lora import compare_precisions, training_file
from benchmarks.gpu.training_run import figures, train

SHAPE = "small"


def run(check: Check) -> None:
    rows = training_file(check)
    batch = {"batch_size": check.scale.batch_size, "steps": check.scale.steps}
    for method, rate in (("lora", 2e-4), ("full", 1e-5)):
        run = train(check, method, rows, SHAPE, method=method, learning_rate=rate, **batch)
        check.put(method, value=figures(check, SHAPE, run))
    compare_precisions(check, rows, SHAPE)
