"""Has the last student answer rows between two trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from graphs.context import Context
from graphs.rounds import Round
from graphs.workspace import Workspace
from trainer.artifacts import read_models, write_jsonl
from trainer.records import Example, Prediction
from trainer.specs import PredictFile, PredictSpec


async def last_students_answers(
    rows: Sequence[Example],
    folder: Path,
    current: Round,
    context: Context,
    workspace: Workspace,
    *,
    unlabeled: bool = False,
) -> list[Prediction]:
    """The answers of the student of the round before. Finished ones are kept in the folder.

    Args:
        folder: for the rows and the answers.
        unlabeled: the rows have no answers of their own; see `PredictFile.unlabeled`.
    """
    if not rows:
        return []
    file, answers = folder / "rows.jsonl", folder / "predictions.jsonl"
    if not answers.exists():
        write_jsonl(file, rows)
        await workspace.student.predict(
            PredictSpec(
                task=context.task,
                student=context.student,
                train=[workspace.paths.data("train")],
                adapter=workspace.round(current.number - 1).artifact(),
                output=folder,
                predict=[PredictFile(name="rows", rows=file, output=answers, unlabeled=unlabeled)],
            )
        )
    return read_models(Prediction, answers)
