"""What the teacher itself scores: it answers rows without seeing their answers, as it answers unlabelled rows.

It is a ceiling for a student that learns from the teacher's answers. It belongs to `evaluate` of the baseline: there the run has
asked nothing else of the teacher but a description of the task, and a cap of the budget pauses it before rows are paid for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from graphs.analysis.statistics import mean_interval
from graphs.artifacts import TeacherScore, TeacherScores
from graphs.checks.train_examples import TrainExamples, train_examples
from graphs.context import Context
from graphs.errors import UnansweredError
from graphs.nodes.answer_prompts import ROLE, answering, answering_data
from graphs.schemas import BlindAnswers
from graphs.workspace import Workspace
from trainer.artifacts import write_json
from trainer.records import Example, Prediction

log = logging.getLogger(__name__)


async def evaluate_teacher(context: Context, workspace: Workspace) -> None:
    """Write `teacher.json`, once in a run.

    Raises:
        RunPaused, TeacherError: as `graphs.ports.Teacher.ask`.
    """
    if not context.evaluate_teacher or workspace.paths.teacher.exists():
        return
    examples = await train_examples(workspace.embedder, workspace.examples("train"))
    validation = await score("validation", workspace.examples("validation"), examples, context, workspace)
    test = None
    if context.evaluate_teacher == "test":
        rows = workspace.open_test(
            "sent to the teacher without their answers, because `evaluate_teacher: test` asks for it"
        )
        test = await score("test", rows, examples, context, workspace)
    cost = workspace.spent()
    scores = TeacherScores(
        metric=workspace.task.metric,
        validation=validation,
        test=test,
        calls=cost.calls,
        tokens=cost.tokens,
        usd=cost.usd,
    )
    write_json(workspace.paths.teacher, scores)


async def score(
    split: str, rows: Sequence[Example], examples: TrainExamples, context: Context, workspace: Workspace
) -> TeacherScore:
    """The teacher's score on these rows. Rows that it does not answer count as wrong."""
    size = context.loop.samples_per_batch
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    answered = await asyncio.gather(
        *(
            answers(f"seed {context.seed}, {split} {number}", batch, examples, context, workspace)
            for number, batch in enumerate(batches)
        )
    )
    replies = [reply for batch in answered for reply in batch]
    predictions = [Prediction(id=row.id, text=reply or "") for row, reply in zip(rows, replies, strict=True)]
    scores = await workspace.score(predictions, rows)
    values = [each.value for each in scores]
    return TeacherScore(
        n=len(values),
        score=sum(values) / len(values),
        ci95=mean_interval(values, seed=context.seed),
        unanswered=replies.count(None),
    )


async def answers(
    vote: str, rows: Sequence[Example], examples: TrainExamples, context: Context, workspace: Workspace
) -> Sequence[str | None]:
    """The teacher's answer to each row; None where it gives none, or so many that nobody can tell which is whose."""
    data = await answering_data(rows, vote, examples, context, workspace)
    try:
        answer = await workspace.teacher.ask(ROLE, BlindAnswers, answering(), data)
    except UnansweredError as error:
        log.warning("The teacher did not answer %s: %s", vote, error)
        return [None] * len(rows)
    return answer.answers if len(answer.answers) == len(rows) else [None] * len(rows)
