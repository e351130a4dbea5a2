"""Chooses the rows to keep where a round asked for more: rows that the student gets wrong, and among those representative ones.

A row that the student already has right teaches it little, and the hardest rows are often odd ones. So the rows that are wrong
are clustered by their prompts' embeddings, and of each cluster the row nearest to its centre is kept. Each pattern keeps the
share of rows that it was allocated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from graphs.analysis.clustering import representatives
from graphs.checks.corpus import Corpus
from graphs.context import Context
from graphs.methods import Origin
from graphs.nodes.allocate import apportion_with_floor
from graphs.nodes.ask_student import last_students_answers
from graphs.rounds import Round
from graphs.rows import Batch, NewRow
from graphs.workspace import Workspace
from trainer.records import Example

Vector = NDArray[np.float32]
Group = tuple[Origin, str | None]
"""Origin, and the id of the pattern if there is one. Rows of one group can replace each other."""


async def select(
    passed: Sequence[NewRow],
    rows: int,
    current: Round,
    context: Context,
    corpus: Corpus,
    workspace: Workspace,
) -> set[str]:
    """Ids of the generated rows to keep, at most `rows`."""
    right = await answered_right(passed, current, context, workspace)
    vectors: dict[str, Vector] | None = None
    if context.loop.selection == "medoids" and passed:
        embedded = await corpus.embed([row.prompt for row in passed])
        vectors = {row.id: vector for row, vector in zip(passed, embedded, strict=True)}
    plan = [batch for batch in current.batches() if batch.origin != "unlabeled"]
    return set(choose(passed, plan, rows, right, vectors, context.seed))


def choose(
    passed: Sequence[NewRow],
    plan: Sequence[Batch],
    rows: int,
    right: Mapping[str, bool],
    vectors: Mapping[str, Vector] | None,
    seed: int,
) -> list[str]:
    """Ids of the rows to keep, at most `rows`.

    Each group keeps its share of the plan, wrong answers first. If a group has too few rows, the rows left over in the
    other groups fill its places, wrong answers first again.

    Args:
        right: row id -> whether the student answered it right.
        vectors: row id -> embedding, by which a group's wrong rows are represented; None takes them as they come.
    """
    planned: dict[Group, int] = defaultdict(int)
    for batch in plan:
        if batch.origin != "person":
            planned[batch.origin, batch.pattern] += batch.count
    # a plan may have fewer rows than the round keeps, and then nothing fills the gap
    places = min(rows, sum(planned.values()))
    groups: dict[Group, list[NewRow]] = defaultdict(list)
    for row in passed:
        groups[row.origin, row.pattern].append(row)
    kept: list[str] = []
    rest: list[str] = []
    for group, quota in apportion_with_floor(places, planned, 0).items():
        ranked = rank(groups[group], quota, right, vectors, seed)
        kept += ranked[:quota]
        rest += ranked[quota:]
    return kept + sorted(rest, key=lambda name: right[name])[: places - len(kept)]


def rank(
    rows: Sequence[NewRow],
    quota: int,
    right: Mapping[str, bool],
    vectors: Mapping[str, Vector] | None,
    seed: int,
) -> list[str]:
    """Ids of a group's rows, those to keep first: the wrong ones that represent the wrong ones, the other wrong ones, the rest."""
    wrong = [row.id for row in rows if not right[row.id]]
    if vectors is not None and 0 < quota < len(wrong):
        places = representatives(np.stack([vectors[name] for name in wrong]), quota, seed)
        chosen = {wrong[place] for place in places}
        wrong.sort(key=lambda name: name not in chosen)
    return wrong + [row.id for row in rows if right[row.id]]


async def answered_right(
    passed: Sequence[NewRow], current: Round, context: Context, workspace: Workspace
) -> dict[str, bool]:
    """Let the last student answer the rows: row id -> whether it was right. Finished predictions are kept."""
    examples = {
        row.id: Example(id=row.id, prompt=row.prompt, completion=row.completion, messages=row.messages)
        for row in passed
    }
    predictions = await last_students_answers(
        list(examples.values()), current.paths.selection, current, context, workspace
    )
    scores = workspace.task.score_all([examples[p.id] for p in predictions], predictions)
    return {score.id: score.correct for score in scores}
