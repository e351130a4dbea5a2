"""Ask the teacher for a batch of new training rows."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.checks.corpus import Corpus
from graphs.checks.openings import Openings, Turns
from graphs.checks.prompt_form import PromptForm
from graphs.context import Context, LoopSpec
from graphs.nodes.answer_prompts import PromptData, answer_unlabeled
from graphs.rows import Batch
from graphs.schemas import SampleBatch
from graphs.state import AugmentState
from graphs.unanswered import ask_or_note
from graphs.workspace import Workspace
from prompts import Judging, render

CONTRAST_ROWS = 3
"""Rows shown for contrast, as in LLMs-as-Instructors (its repository's default)."""
MOST_WRITTEN = 2
"""Times a batch's count: so many rows of an answer are read. Those above the count stand in for rejected ones."""


async def generate(state: AugmentState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Ask for the rows still missing, with feedback if rows were sent back.

    Where all prompts of the task share a beginning or end, the writer sees and writes only what varies. Prompts of unlabelled
    rows are there already, and the teacher only answers them. A person's row is there already: nobody is asked for it.
    """
    form = workspace.prompt_form
    current = workspace.round(state.round)
    batch = current.batches()[state.number]
    if batch.origin == "unlabeled":
        answered = await answer_unlabeled(batch, state.attempt + 1, runtime.context, workspace)
        return {"samples": answered, "attempt": state.attempt + 1, "missing": batch.count}
    if batch.origin == "person":
        row = current.person_row(batch.source or "")
        sample = {"prompt": row.prompt, "completion": row.completion}
        return {"samples": [sample], "attempt": state.attempt + 1, "missing": batch.count}
    count = batch.count if state.missing is None else state.missing
    data = await build_prompt_data(batch, runtime.context, workspace) | {
        "count": count,
        "batch": f"seed {runtime.context.seed}, {batch.id}",
        "feedback": state.feedback or None,
        "previous": state.previous or None,
    }
    purpose = writing(batch, runtime.context.loop)
    instructions = render(f"write/{purpose}", count=count, feedback=bool(state.feedback), fixed=form.fixed)
    answer = await ask_or_note(
        workspace.teacher,
        current,
        "batch",
        f"{batch.id}, attempt {state.attempt + 1}",
        "generator",
        SampleBatch,
        instructions,
        show_variable_parts(data, form),
    )
    samples = answer.samples[: MOST_WRITTEN * batch.count] if answer else []
    return {
        "samples": [
            {"prompt": form.wrap(sample.prompt), "completion": sample.completion} for sample in samples
        ],
        "attempt": state.attempt + 1,
        "missing": count,
    }


def show_variable_parts(data: PromptData, form: PromptForm) -> PromptData:
    """The data with, in each row, what varies in its prompt in place of the prompt."""
    rows = {key: form.variable_row(data[key]) for key in ("error", "original") if data[key]}
    lists = {
        key: [form.variable_row(row) for row in data[key]]
        for key in ("examples", "right", "previous")
        if data[key]
    }
    return data | rows | lists


def writing(batch: Batch, loop: LoopSpec) -> Judging:
    """The prompt to use for a batch."""
    if batch.origin == "train_error" and loop.guidance.contrast:
        return "contrast"
    # of a person's row nothing is known but the task
    return "task" if batch.origin == "person" else batch.origin


async def build_prompt_data(batch: Batch, context: Context, workspace: Workspace) -> dict[str, Any]:
    """The data about a batch for writer and judge. Nothing in it comes from validation or test rows."""
    corpus = await workspace.corpus(batch.round)
    nothing: PromptData = {
        "task": await workspace.brief(context),
        "strategy": None,
        "case": None,
        "error": None,
        "right": None,
        "original": None,
    }
    data = nothing | await PURPOSES[batch.origin](batch, context, workspace, corpus)
    return show_systems(data, opening_of(batch, data, workspace), workspace.openings)


def opening_of(batch: Batch, data: PromptData, workspace: Workspace) -> Turns:
    """The turns that stand before the prompts of a batch: those of the row that it is written for, else of its first example.

    Unlabelled rows have their own.
    """
    if batch.origin == "unlabeled":
        return ()
    failures = workspace.failures(batch.round - 1, "validation") if batch.case else {}
    case = failures[batch.case].example if batch.case else None
    return workspace.openings.of(batch.source, case, (row["prompt"] for row in data["examples"]))


def show_systems(data: PromptData, opening: Turns, openings: Openings) -> PromptData:
    """The data with `system`: that of the new rows, and in each training row its own. Only where they differ."""

    def shown(row: dict[str, str]) -> dict[str, str]:
        return row | openings.told(openings.by_prompt.get(row["prompt"], ()))

    rows = {key: shown(data[key]) for key in ("error", "original") if data[key]}
    lists = {key: [shown(row) for row in data[key]] for key in ("examples", "right") if data[key]}
    return data | rows | lists | openings.told(opening)


async def for_pattern(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """The strategy, the analysis of the batch's case, and the training rows nearest to the pattern."""
    current = workspace.round(batch.round)
    pattern = current.patterns()[batch.pattern or ""]
    strategy = current.strategy(pattern.id)
    examples = await corpus.nearest(
        f"{pattern.name}. {pattern.description}",
        context.loop.examples_per_prompt,
        seed=f"{context.seed}/{batch.id}",
    )
    return {
        "strategy": {"title": strategy.title, "instructions": strategy.instructions},
        "case": current.analysis(batch.case).for_teacher() if batch.case else None,
        "examples": examples,
    }


async def for_train_failure(
    batch: Batch, context: Context, workspace: Workspace, corpus: Corpus
) -> PromptData:
    """The student's wrong answer to a training row, with the nearest training rows.

    With `contrast` it also has the nearest rows that the student gets right.
    """
    failure = workspace.failures(batch.round - 1, "train")[batch.source or ""]
    count = context.loop.examples_per_prompt
    neighbours = corpus.neighbours_of(failure.id, count)
    data: PromptData = {"error": failure.for_teacher(), "examples": neighbours}
    if context.loop.guidance.contrast:
        correct = [score.id for score in workspace.round(batch.round - 1).scores("train") if score.correct]
        data["right"] = corpus.neighbours_of(failure.id, CONTRAST_ROWS, among=correct)
    return data


async def for_row(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """A training row to reword. It also serves as the example of the task's form."""
    row = corpus.row(batch.source or "")
    return {"original": row, "examples": [row]}


async def for_unlabeled(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """The training rows nearest to the batch's prompts."""
    prompts = [workspace.unlabeled()[name].prompt for name in batch.prompts]
    return {"examples": await corpus.nearest_to(prompts, context.loop.examples_per_prompt)}


async def for_task(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """Some training rows, drawn at random."""
    return {"examples": corpus.draw(context.loop.examples_per_prompt, f"{context.seed}/{batch.id}")}


async def for_exploration(batch: Batch, context: Context, workspace: Workspace, corpus: Corpus) -> PromptData:
    """Some training rows: in turn drawn at random, and so that scarce kinds of answer come up as often as others."""
    number = int(batch.id.rpartition("b")[2])
    draw = corpus.draw if number % 2 else corpus.draw_balanced
    return {"examples": draw(context.loop.examples_per_prompt, f"{context.seed}/{batch.id}")}


PURPOSES = {
    "pattern": for_pattern,
    "train_error": for_train_failure,
    "train_row": for_row,
    "task": for_task,
    "explore": for_exploration,
    "unlabeled": for_unlabeled,
    "person": for_task,
}
