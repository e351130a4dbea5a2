"""Train the round's student and let it answer the rows that the round needs, in one process."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.nodes.tune import tuned_student
from graphs.rounds import Round
from graphs.state import LoopState
from graphs.workspace import Workspace
from trainer.artifacts import write_jsonl
from trainer.specs import PredictFile, StudentSpec, TrainSpec


async def fine_tune(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Fine-tune on the given rows and all rows accepted so far. Predict validation and a sample of train."""
    context = runtime.context
    student = await tuned_student(state.round, context, workspace)
    await workspace.student.fine_tune(train_spec(workspace.round(state.round), student, context, workspace))
    return {}


def train_spec(current: Round, student: StudentSpec, context: Context, workspace: Workspace) -> TrainSpec:
    """The trainer's work order for one round.

    Args:
        student: with the settings that were found for it.
    """
    paths = workspace.paths
    files = [("validation", paths.data("validation"))]
    if current.number < context.loop.last_round and "train_error" in context.loop.origins:
        files.append(("train", sample_train(current, context, workspace)))
    return TrainSpec(
        task=context.task,
        student=student,
        train=[paths.data("train"), *(paths.round(n).accepted for n in range(1, current.number + 1))],
        output=current.paths.student,
        seed=context.seed,
        adapter=workspace.round(current.number - 1).artifact()
        if context.student.start_from == "last" and current.number
        else None,
        predict=[
            PredictFile(name=split, rows=rows, output=current.paths.predictions(split))
            for split, rows in files
        ],
    )


def sample_train(current: Round, context: Context, workspace: Workspace) -> Path:
    """Write the training rows to predict, and return their file: given rows only, a new seeded sample each round."""
    rows = workspace.examples("train")
    count = min(context.loop.max_train_failures, len(rows))
    chosen = sorted(random.Random(f"{context.seed}/{current.number}/train").sample(range(len(rows)), count))
    path = current.paths.train_sample
    write_jsonl(path, [rows[index] for index in chosen])
    return path
