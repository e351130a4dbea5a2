"""Has the teacher answer prompts that nobody has answered: unlabelled rows, or validation rows whose answers it does not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphs.checks.train_examples import TrainExamples
from graphs.context import Context
from graphs.ports import Role
from graphs.rows import Batch
from graphs.schemas import BlindAnswers
from graphs.unanswered import ask_or_note
from graphs.workspace import Workspace
from prompts import render
from trainer.records import Example

PromptData = dict[str, Any]
ROLE: Role = "generator"
"""Who answers: the role that otherwise writes prompts with their answers."""


def answering() -> str:
    """The instructions, those of the judge's blind answers."""
    return render("blind")


def whole_prompt(row: Example, workspace: Workspace) -> str:
    """What is asked. Of a conversation of several turns all of them, because the last one may be a bare "yes".

    The system turn is one of them where it differs from row to row.
    """
    mixed = workspace.openings.mixed
    turns = [turn for turn in row.messages or [] if mixed or turn.role != "system"]
    if len(turns) < 2:
        return row.prompt
    return "\n\n".join(f"{turn.role}: {turn.content}" for turn in turns)


async def answering_data(
    rows: Sequence[Example], vote: str, train: TrainExamples, context: Context, workspace: Workspace
) -> PromptData:
    """The data of a request for the answers to these rows, with the training rows nearest to them.

    Args:
        vote: makes the request one of its own, which the ledger does not answer from another.
    """
    return {
        "task": await workspace.brief(context),
        "examples": await train.nearest_to([row.prompt for row in rows], context.loop.examples_per_prompt),
        "prompts": [whole_prompt(row, workspace) for row in rows],
        "vote": vote,
    }


async def answer_unlabeled(
    batch: Batch, attempt: int, context: Context, workspace: Workspace
) -> list[dict[str, str]]:
    """The batch's unlabelled rows with the teacher's answers; none if it gave too few or too many to tell which is whose."""
    rows = [workspace.unlabeled()[name] for name in batch.prompts]
    corpus = await workspace.corpus(batch.round)
    vote = f"seed {context.seed}, {batch.id}, attempt {attempt}"
    answer = await ask_or_note(
        workspace.teacher,
        workspace.round(batch.round),
        "answers",
        f"{batch.id}, attempt {attempt}",
        ROLE,
        BlindAnswers,
        answering(),
        await answering_data(rows, vote, corpus, context, workspace),
    )
    if answer is None or len(answer.answers) != len(rows):
        return []
    return [
        {"prompt": row.prompt, "completion": text.strip(), "source": row.id}
        for row, text in zip(rows, answer.answers, strict=True)
    ]
