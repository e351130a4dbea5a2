"""LoRA on the 1B shape where prompts share a prefix: rows side by side after one copy of it, against one row a sequence.

It decides `trainer.loss.SHARE_ON_GPU`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.gpu.check import Check
from benchmarks.gpu.rows import training_rows
from benchmarks.gpu.training_run import figures, train
from trainer import loss

SHAPE = "large"
SHARES = (0.25, 0.5, 0.75)
"""Of a row's words that all rows begin with."""

ALWAYS, NEVER = 0.0, 2.0
"""Shares from which rows are packed."""


def run(check: Check) -> None:
    scale = check.scale
    size = check.figure("lora", "best_micro_batch", default=scale.micro_batches[0])
    batch = {"batch_size": scale.batch_size, "micro_batch_size": size, "steps": scale.probe_steps}
    for share in SHARES:
        rows = check.file(f"rows-{share}.jsonl", rows_with_prefix(check, share))
        rates = {}
        for name, least in (("packed", ALWAYS), ("padded", NEVER)):
            with packed_from(least):
                found = figures(check, SHAPE, train(check, f"{name}-{share}", rows, SHAPE, **batch))
            check.put(str(share), name, value=found)
            rates[name] = found["rows_per_second"]
        check.put(str(share), "times_padded", value=rates["packed"] / rates["padded"])


def rows_with_prefix(check: Check, share: float) -> list[dict[str, Any]]:
    """Rows of the longest prompts' length, the first part of which is the same words."""
    scale = check.scale
    words = scale.prompt_words[1]
    common = round(words * share)
    own = words - common
    rows = training_rows(scale.rows, (own - own // 3, own), scale.completion_words)
    prefix = " ".join(rows[0]["prompt"].split()[-1:] * common)
    return [row | {"prompt": f"{prefix} {row['prompt']}"} for row in rows]


@contextmanager
def packed_from(share: float) -> Iterator[None]:
    """Let a GPU pack rows from this share on."""
    before, loss.SHARE_ON_GPU = loss.SHARE_ON_GPU, share
    try:
        yield
    finally:
        loss.SHARE_ON_GPU = before
