"""Full fine-tuning of the 1B shape.

One training only: its last checkpoint, 15 GB of masters and moments, takes longer to write than its steps take.
"""

from __future__ import annotations

from benchmarks.gpu.check import Check
from benchmarks.gpu.steps.lora import training_file
from benchmarks.gpu.training_run import figures, train

SHAPE = "large"


def run(check: Check) -> None:
    scale = check.scale
    size = max(1, check.figure("lora", "best_micro_batch", default=scale.micro_batches[0]) // 2)
    batch = {"batch_size": scale.batch_size, "micro_batch_size": size, "steps": scale.probe_steps}
    run = train(check, "full", training_file(check), SHAPE, method="full", learning_rate=1e-5, **batch)
    check.put("full", value=figures(check, SHAPE, run))
    check.put("seconds_of", value=run.report["seconds"])
