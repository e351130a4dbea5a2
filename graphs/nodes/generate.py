"""Ask the teacher for a batch of new training rows."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.rows import Batch
from graphs.schemas import SampleBatch
from graphs.state import AugmentState
from graphs.workspace import Workspace
from prompts import render


async def generate(state: AugmentState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Ask for the rows still missing, with the feedback if samples were sent back."""
    batch = workspace.plan(state.round)[state.number]
    count = batch.count if state.missing is None else state.missing
    data = await brief(batch, runtime.context, workspace) | {
        "count": count,
        "batch": f"seed {runtime.context.seed}, {batch.id}",
        "feedback": state.feedback or None,
        "previous": state.previous or None,
    }
    instructions = render("generate", count=count, feedback=bool(state.feedback))
    answer = await workspace.teacher.ask("generator", SampleBatch, instructions, data)
    return {
        "samples": [sample.model_dump() for sample in answer.samples],
        "attempt": state.attempt + 1,
        "missing": count,
    }


async def brief(batch: Batch, context: Context, workspace: Workspace) -> dict[str, Any]:
    """What writer and judge are told about a batch: nothing in it comes from validation or test rows."""
    corpus = await workspace.corpus(batch.round)
    count, seed = context.loop.examples_per_prompt, f"{context.seed}/{batch.id}"
    if batch.pattern:
        pattern, strategy = (
            workspace.patterns(batch.round)[batch.pattern],
            workspace.strategy(batch.round, batch.pattern),
        )
        examples = await corpus.nearest(f"{pattern.name}. {pattern.description}", count, seed=seed)
        shown, error = {"title": strategy.title, "instructions": strategy.instructions}, None
    else:
        failure = workspace.failures(batch.round - 1, "train")[batch.source or ""]
        examples = corpus.neighbours_of(failure.id, count)
        shown, error = None, failure.shown()
    return {"task": context.task, "strategy": shown, "error": error, "examples": examples}
