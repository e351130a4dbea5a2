"""The trainer's LoRA on the 1B shape: micro-batches, the rate at the best one, and the loss against float32."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gpu.check import Check
from benchmarks.gpu.rows import training_rows
from benchmarks.gpu.training_run import difference, figures, train

SHAPE = "large"


def run(check: Check) -> None:
    scale = check.scale
    rows = training_file(check)
    best = best_micro_batch(check, rows, SHAPE)
    run = train(
        check, "best", rows, SHAPE, batch_size=scale.batch_size, micro_batch_size=best, steps=scale.steps
    )
    check.put("best", value=figures(check, SHAPE, run))
    compare_precisions(check, rows, SHAPE)


def training_file(check: Check) -> Path:
    """The rows of every training, as a file of this step."""
    scale = check.scale
    return check.file("rows.jsonl", training_rows(scale.rows, scale.prompt_words, scale.completion_words))


def best_micro_batch(check: Check, rows: Path, shape: str) -> int:
    """Try each micro-batch; the fastest one that fits."""
    scale = check.scale
    rates: dict[int, float] = {}
    for size in scale.micro_batches:
        batch = {"batch_size": scale.batch_size, "micro_batch_size": size, "steps": scale.probe_steps}
        found = figures(check, shape, train(check, f"micro-{size}", rows, shape, **batch))
        check.put("micro_batches", str(size), value=found)
        if found["micro_batch_size"] < size:
            break
        rates[size] = found["tokens_per_second"]
    best = max(rates, key=lambda size: rates[size]) if rates else scale.micro_batches[0]
    check.put("best_micro_batch", value=best)
    return best


def compare_precisions(check: Check, rows: Path, shape: str) -> None:
    """The same steps in bf16 and in float32, from the same weights and adapter."""
    curves = {}
    batch = {"batch_size": check.scale.curve_batch, "steps": check.scale.curve_steps}
    for dtype in ("bfloat16", "float32"):
        curves[dtype] = train(check, dtype, rows, shape, dtype=dtype, **batch).loss
        check.put("loss", dtype, value=curves[dtype])
    check.put("loss", "difference", value=difference(curves["bfloat16"], curves["float32"]))
