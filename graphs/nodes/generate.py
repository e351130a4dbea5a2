"""Ask the teacher for a batch of new training rows."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.checks.corpus import Corpus
from graphs.context import Context, LoopSpec
from graphs.rows import Batch
from graphs.schemas import SampleBatch
from graphs.state import AugmentState
from graphs.workspace import Workspace
from prompts import Writing, render

PromptData = dict[str, Any]

RIGHT = 3
"""Rows shown for contrast, as in LLMs-as-Instructors (its repository's default)."""


async def generate(state: AugmentState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Ask for the rows still missing, with the feedback if samples were sent back."""
    batch = workspace.round(state.round).batches()[state.number]
    count = batch.count if state.missing is None else state.missing
    data = await build_prompt_data(batch, runtime.context, workspace) | {
        "count": count,
        "batch": f"seed {runtime.context.seed}, {batch.id}",
        "feedback": state.feedback or None,
        "previous": state.previous or None,
    }
    purpose = writing(batch, runtime.context.loop)
    instructions = render(f"write/{purpose}", count=count, feedback=bool(state.feedback))
    answer = await workspace.teacher.ask("generator", SampleBatch, instructions, data)
    return {
        "samples": [sample.model_dump() for sample in answer.samples],
        "attempt": state.attempt + 1,
        "missing": count,
    }


def writing(batch: Batch, loop: LoopSpec) -> Writing:
    """What the rows of a batch are written for, as the prompts name it."""
    if batch.origin == "train_error" and loop.guidance.contrast:
        return "contrast"
    return batch.origin


async def build_prompt_data(batch: Batch, context: Context, workspace: Workspace) -> dict[str, Any]:
    """What writer and judge are told about a batch: nothing in it comes from validation or test rows."""
    corpus = await workspace.corpus(batch.round)
    nothing: PromptData = {
        "task": context.task,
        "strategy": None,
        "error": None,
        "right": None,
        "original": None,
    }
    return nothing | await PURPOSES[batch.origin](batch, context, workspace, corpus)


async def for_pattern(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """The strategy, with training rows near to the pattern."""
    here = workspace.round(batch.round)
    pattern = here.patterns()[batch.pattern or ""]
    strategy = here.strategy(pattern.id)
    examples = await corpus.nearest(
        f"{pattern.name}. {pattern.description}",
        context.loop.examples_per_prompt,
        seed=f"{context.seed}/{batch.id}",
    )
    shown = {"title": strategy.title, "instructions": strategy.instructions}
    return {"strategy": shown, "examples": examples}


async def for_error(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """The student's wrong answer to a training row, with rows near to it; by contrast, with those that it gets right too."""
    failure = workspace.failures(batch.round - 1, "train")[batch.source or ""]
    count = context.loop.examples_per_prompt
    told: PromptData = {"error": failure.shown(), "examples": corpus.neighbours_of(failure.id, count)}
    if context.loop.guidance.contrast:
        correct = [score.id for score in workspace.round(batch.round - 1).scores("train") if score.correct]
        told["right"] = corpus.neighbours_of(failure.id, RIGHT, among=correct)
    return told


async def for_row(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """A training row to say in other words; it shows the form as well."""
    row = corpus.row(batch.source or "")
    return {"original": row, "examples": [row]}


async def for_task(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """Nothing but some training rows."""
    return {"examples": corpus.draw(context.loop.examples_per_prompt, f"{context.seed}/{batch.id}")}


PURPOSES = {"pattern": for_pattern, "train_error": for_error, "train_row": for_row, "task": for_task}
