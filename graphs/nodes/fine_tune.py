"""Train this round's student, and let it answer what the round needs, in one process start."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.state import LoopState
from graphs.workspace import Workspace
from trainer.artifacts import write_jsonl
from trainer.specs import PredictFile, TrainSpec


async def fine_tune(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Fine-tune on the given rows and everything accepted so far; predict validation and a sample of train."""
    await workspace.student.fine_tune(train_spec(state.round, runtime.context, workspace))
    return {}


def train_spec(number: int, context: Context, workspace: Workspace) -> TrainSpec:
    """The trainer's work order for one round."""
    paths, here = workspace.paths, workspace.paths.round(number)
    files = [("validation", paths.data("validation"))]
    if number < context.loop.last_round and "train_error" in context.loop.origins:
        files.append(("train", sample_train(number, context, workspace)))
    return TrainSpec(
        task=context.task,
        student=context.student,
        train=[paths.data("train"), *(paths.round(r).accepted for r in range(1, number + 1))],
        output=here.student,
        seed=context.seed,
        adapter=workspace.round(number - 1).artifact()
        if context.student.start_from == "last" and number
        else None,
        predict=[PredictFile(name=split, rows=rows, output=here.predictions(split)) for split, rows in files],
    )


def sample_train(number: int, context: Context, workspace: Workspace) -> Path:
    """The training rows whose errors are looked for: given rows only, another seeded sample each round."""
    rows = workspace.examples("train")
    count = min(context.loop.max_train_failures, len(rows))
    chosen = sorted(random.Random(f"{context.seed}/{number}/train").sample(range(len(rows)), count))
    path = workspace.paths.round(number).root / "train_sample.jsonl"
    write_jsonl(path, [rows[index] for index in chosen])
    return path
