"""Chooses unlabelled rows for the teacher to answer, before anything is paid for.

Of a seeded sample of the rows that are left, those come first of which the student is least certain and which are nearest to
the patterns' failures; among those, medoids of their clusters are taken, which represent them. Each pattern gets its share.
`benchmarks/row_choice.py` compares such rules.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from graphs.analysis.apportion import apportion
from graphs.analysis.clustering import representatives
from graphs.artifacts import UnlabeledChoice
from graphs.checks.corpus import Corpus
from graphs.context import Context
from graphs.nodes.ask_student import last_students_answers
from graphs.rounds import Round
from graphs.workspace import Workspace
from trainer.artifacts import write_json
from trainer.records import Example

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]
Near = tuple[str, float]
"""Id of a pattern, empty where there are none, and the cosine to the nearest of its failures."""
Chosen = dict[str, list[str]]
"""Pattern id -> ids of its unlabelled rows; the key is empty where the method has no patterns."""

LOOKED_AT = 16
"""Rows that the student answers for each that is wanted."""
SHORTLIST = 4
"""Of these, the least certain and nearest ones, among which representative ones are taken."""


async def choose_unlabeled(
    count: int, weights: Mapping[str, float], current: Round, context: Context, workspace: Workspace
) -> Chosen:
    """Rows that no round before used, at most `count`.

    Args:
        weights: of the round's patterns; empty for a method without.
    """
    left = workspace.unlabeled_left(current.number)
    seed = f"{context.seed}/{current.number}/unlabeled"
    looked_at = random.Random(seed).sample(left, min(LOOKED_AT * count, len(left)))
    corpus = await workspace.corpus(current.number)
    vectors, sound = await without_known(looked_at, corpus)
    if "task" in context.loop.guidance.origins:
        chosen = {"": [row.id for row in sound[:count]]}
    else:
        certainty = await certainties(sound, current, context, workspace)
        near = await nearest_patterns(sound, vectors, weights, current, corpus, workspace)
        by_id = {row.id: vector for row, vector in zip(sound, vectors, strict=True)}
        chosen = choose(count, by_id, certainty, near, weights, context.seed)
    numbers = UnlabeledChoice(
        left=len(left),
        looked_at=len(looked_at),
        refused=len(looked_at) - len(sound),
        chosen=sum(map(len, chosen.values())),
    )
    write_json(current.paths.unlabeled_choice, numbers)
    return chosen


async def without_known(rows: Sequence[Example], corpus: Corpus) -> tuple[Vectors, list[Example]]:
    """The rows that are no leak and no duplicate, with their embeddings, shape (rows, d)."""
    if not rows:
        return np.zeros((0, 1), np.float32), []
    prompts = [row.prompt for row in rows]
    vectors, results = await corpus.embed(prompts), await corpus.known_prompts(prompts)
    kept = [place for place, result in enumerate(results) if result is None]
    return vectors[kept], [rows[place] for place in kept]


async def certainties(
    rows: Sequence[Example], current: Round, context: Context, workspace: Workspace
) -> dict[str, float]:
    """Row id -> how certain the last student is of its answer, without rows that are too long for it."""
    predictions = await last_students_answers(
        rows, current.paths.unlabeled, current, context, workspace, unlabeled=True
    )
    return {reply.id: reply.certainty for reply in predictions if reply.certainty is not None}


async def nearest_patterns(
    rows: Sequence[Example],
    vectors: Vectors,
    weights: Mapping[str, float],
    current: Round,
    corpus: Corpus,
    workspace: Workspace,
) -> dict[str, Near]:
    """Row id -> the pattern of the validation failure whose prompt is nearest by embedding, and their cosine.

    The failures' texts are compared, and reach neither the teacher nor the student.
    """
    if not weights or not rows:
        return {row.id: ("", 0.0) for row in rows}
    prompts = {example.id: example.prompt for example in workspace.examples("validation")}
    failures = [(name, failure) for name in weights for failure in current.patterns()[name].failures]
    cosines = vectors @ (await corpus.embed([prompts[failure] for _, failure in failures])).T
    return {
        row.id: (failures[place][0], float(cosines[index, place]))
        for index, (row, place) in enumerate(zip(rows, cosines.argmax(axis=1).tolist(), strict=True))
    }


def choose(
    count: int,
    vectors: Mapping[str, Vector],
    certainty: Mapping[str, float],
    near: Mapping[str, Near],
    weights: Mapping[str, float],
    seed: int,
) -> Chosen:
    """The rows to answer, by pattern. Where a pattern has too few rows, rows of others take their place.

    Args:
        vectors: row id -> embedding.
        certainty: row id -> the student's certainty; rows that are not in it are not chosen.
        near: row id -> the nearest pattern, and how near it is.
        weights: pattern id -> weight; empty without patterns.
    """
    names = [name for name in vectors if name in certainty]
    # ranks, because a probability and a cosine have no scale in common; without patterns all are equally near
    least_certain = rankdata([certainty[name] for name in names], method="min")
    nearest = rankdata([-near[name][1] for name in names], method="min")
    order = [names[place] for place in np.argsort(least_certain + nearest, kind="stable")]
    taken: list[str] = []
    shares = apportion(count, weights or {"": 1.0})
    for pattern, share in shares.items():
        taken += first_medoids([name for name in order if near[name][0] == pattern], share, vectors, seed)
    rest = [name for name in order if name not in set(taken)]
    taken += first_medoids(rest, count - len(taken), vectors, seed)
    return {pattern: [name for name in taken if near[name][0] == pattern] for pattern in shares}


def first_medoids(order: Sequence[str], count: int, vectors: Mapping[str, Vector], seed: int) -> list[str]:
    """Of the first rows in this order, so many that represent them; all rows if there are no more."""
    if count <= 0 or count >= len(order):
        return list(order) if count > 0 else []
    shortlist = order[: SHORTLIST * count]
    medoids = representatives(np.stack([vectors[name] for name in shortlist]), count, seed)
    chosen = [shortlist[place] for place in medoids]
    # fewer clusters than rows where the embedder sees no difference between some
    others = [name for name in shortlist if name not in set(chosen)]
    return chosen + others[: count - len(chosen)]
