"""QLoRA on the 1B shape: 4-bit weights, bf16 adapter."""

from __future__ import annotations

from benchmarks.gpu.check import Check
from benchmarks.gpu.steps.lora import training_file
from benchmarks.gpu.training_run import figures, train


def run(check: Check) -> None:
    scale = check.scale
    size = check.figure("lora", "best_micro_batch", default=scale.micro_batches[0])
    batch = {"batch_size": scale.batch_size, "micro_batch_size": size, "steps": scale.probe_steps}
    run = train(check, "qlora", training_file(check), "large", method="qlora", **batch)
    check.put("qlora", value=figures(check, "large", run))
