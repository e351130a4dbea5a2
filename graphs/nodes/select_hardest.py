"""Which of the written rows are kept, where more were asked for: first those that the student gets wrong.

Rows that the student has right already teach it little; a row that it gets wrong is one of those that it lacks, whatever it was
written for. Counts by pattern stay as they were allocated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graphs.context import Context
from graphs.methods import Origin
from graphs.nodes.allocate import apportion
from graphs.rows import Batch, NewRow
from graphs.workspace import Workspace
from trainer.artifacts import read_jsonl, write_jsonl
from trainer.records import Example, Prediction
from trainer.specs import PredictFile, PredictSpec

Purpose = tuple[Origin, str | None]
"""Origin, and the id of the pattern if there is one: the rows of a purpose stand in for one another."""


async def select(passed: Sequence[NewRow], number: int, context: Context, workspace: Workspace) -> set[str]:
    """Ids of the rows that are kept."""
    right = await answered_right(passed, number, context, workspace)
    return set(chosen(passed, workspace.round(number).batches(), context.loop.synthetic_per_round, right))


def chosen(passed: Sequence[NewRow], plan: Sequence[Batch], rows: int, right: dict[str, bool]) -> list[str]:
    """Ids of the rows to keep, at most `rows`: of each purpose its share of the plan, wrong answers first; then, where a purpose
    has too few, wrong answers of any."""
    planned: Counter[Purpose] = Counter()
    for batch in plan:
        planned[batch.origin, batch.pattern] += batch.count
    # what a plan may lack, such as errors to write for, is not made up for by other rows
    quotas = apportion(min(rows, planned.total()), planned, 0)
    kept: list[str] = []
    rest: list[str] = []
    for candidate in sorted(passed, key=lambda candidate: right[candidate.id]):
        purpose = candidate.origin, candidate.pattern
        (kept if quotas[purpose] else rest).append(candidate.id)
        quotas[purpose] -= bool(quotas[purpose])
    return kept + rest[: sum(quotas.values())]


async def answered_right(
    passed: Sequence[NewRow], number: int, context: Context, workspace: Workspace
) -> dict[str, bool]:
    """Let the student before this round answer the rows; a finished answer is read again."""
    here = workspace.paths.round(number)
    rows = here.selection / "rows.jsonl"
    answers = here.selection / "predictions.jsonl"
    examples = {c.id: Example(id=c.id, prompt=c.prompt, completion=c.completion) for c in passed}
    if not examples:
        return {}
    if not answers.exists():
        write_jsonl(rows, list(examples.values()))
        await workspace.student.predict(
            PredictSpec(
                task=context.task,
                student=context.student,
                train=[workspace.paths.data("train")],
                adapter=workspace.round(number - 1).artifact(),
                output=here.selection,
                predict=[PredictFile(name="rows", rows=rows, output=answers)],
            )
        )
    predictions = [Prediction(**row) for row in read_jsonl(answers)]
    scores = workspace.task.score_all([examples[p.id] for p in predictions], predictions)
    return {score.id: score.correct for score in scores}
