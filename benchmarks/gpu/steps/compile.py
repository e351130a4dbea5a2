"""LoRA on the 1B shape with `student.compile`: its warm-up, and the rate after it."""

from __future__ import annotations

from benchmarks.gpu.check import Check, NotHereError
from benchmarks.gpu.steps.lora import training_file
from benchmarks.gpu.training_run import difference, figures, train
from trainer.specs import StudentSpec

SHAPE = "large"


def run(check: Check) -> None:
    if "compile" not in StudentSpec.model_fields:
        raise NotHereError("This version has no `student.compile`.")
    scale = check.scale
    size = check.figure("lora", "best_micro_batch", default=scale.micro_batches[0])
    batch = {"batch_size": scale.batch_size, "micro_batch_size": size, "steps": scale.steps}
    rows = training_file(check)
    run = train(check, "compiled", rows, SHAPE, compile=True, **batch)
    found = figures(check, SHAPE, run)
    check.put("compiled", value=found)
    check.put("seconds_of", value=run.report["seconds"])
    if plain := check.figure("lora", "best", "tokens_per_second"):
        check.put("times_plain", value=found["tokens_per_second"] / plain)
    check.put("loss_difference", value=difference(run.loss, train(check, "plain", rows, SHAPE, **batch).loss))
