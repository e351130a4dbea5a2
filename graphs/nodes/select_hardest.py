"""Chooses the rows to keep if `loop.oversample` asked for more: rows that the student gets wrong come first.

A row that the student already has right teaches it little. Each pattern keeps the share of rows that it was allocated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graphs.context import Context
from graphs.methods import Origin
from graphs.nodes.allocate import apportion_with_floor
from graphs.rounds import Round
from graphs.rows import Batch, NewRow
from graphs.workspace import Workspace
from trainer.artifacts import read_jsonl, write_jsonl
from trainer.records import Example, Prediction
from trainer.specs import PredictFile, PredictSpec

Purpose = tuple[Origin, str | None]
"""Origin, and the id of the pattern if there is one. Rows with the same purpose can replace each other."""


async def select(
    passed: Sequence[NewRow], current: Round, context: Context, workspace: Workspace
) -> set[str]:
    """Ids of the rows to keep."""
    right = await answered_right(passed, current, context, workspace)
    return set(choose(passed, current.batches(), context.loop.synthetic_per_round, right))


def choose(passed: Sequence[NewRow], plan: Sequence[Batch], rows: int, right: dict[str, bool]) -> list[str]:
    """Ids of the rows to keep, at most `rows`.

    Each purpose keeps its share of the plan, wrong answers first. If a purpose has too few rows, the hardest rows of
    the other purposes fill its places.

    Args:
        right: row id -> whether the student answered it right.
    """
    planned: Counter[Purpose] = Counter()
    for batch in plan:
        planned[batch.origin, batch.pattern] += batch.count
    # a plan may have fewer rows than the round keeps, and then nothing fills the gap
    quotas = apportion_with_floor(min(rows, planned.total()), planned, 0)
    kept: list[str] = []
    rest: list[str] = []
    for row in sorted(passed, key=lambda row: right[row.id]):
        purpose = row.origin, row.pattern
        (kept if quotas[purpose] else rest).append(row.id)
        quotas[purpose] -= bool(quotas[purpose])
    return kept + rest[: sum(quotas.values())]


async def answered_right(
    passed: Sequence[NewRow], current: Round, context: Context, workspace: Workspace
) -> dict[str, bool]:
    """Let the last student answer the rows: row id -> whether it was right. Finished predictions are kept."""
    folder = current.paths.selection
    rows, answers = folder / "rows.jsonl", folder / "predictions.jsonl"
    examples = {row.id: Example(id=row.id, prompt=row.prompt, completion=row.completion) for row in passed}
    if not examples:
        return {}
    if not answers.exists():
        write_jsonl(rows, list(examples.values()))
        await workspace.student.predict(
            PredictSpec(
                task=context.task,
                student=context.student,
                train=[workspace.paths.data("train")],
                adapter=workspace.round(current.number - 1).artifact(),
                output=folder,
                predict=[PredictFile(name="rows", rows=rows, output=answers)],
            )
        )
    predictions = [Prediction(**row) for row in read_jsonl(answers)]
    scores = workspace.task.score_all([examples[p.id] for p in predictions], predictions)
    return {score.id: score.correct for score in scores}
