"""Labels that the rows around a row contradict."""

from __future__ import annotations

import random

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from app.prepare.checks.findings import Finding, finding
from app.prepare.checks.rows import Rows, SourceRow
from trainer.tasks import Task

NEIGHBOURS = 10
OWN, OTHER = 0.1, 0.5
"""A label is suspected where the neighbours give it less than this, and another one more than that. On banking77, 2,000
rows with a tenth of the labels changed, this finds a third of them, and three of four that it names are among them."""
FEWEST = 5
"""Rows that a label must have on average for its neighbours to say something."""
MOST = 4000
"""Rows that are looked at, drawn at random where there are more: the time grows with their square."""
CHUNK = 500


def check_suspects(rows: Rows, task: Task) -> list[Finding]:
    """Train rows whose nearest rows, by the characters of their prompts, nearly all have one other label."""
    train = rows.get("train", [])
    labels = task.answer_facts().labels
    if len(labels) < 2 or len(train) < FEWEST * len(labels):
        return []
    if len(train) > MOST:
        train = random.Random(0).sample(train, MOST)
    sought = ", among a sample of rows," if len(rows["train"]) > MOST else ""
    message = f"Labels of train rows are suspected{sought} of being wrong: the rows most like them have another one. Look at them."
    suspected = sorted(suspects(train, task), key=lambda found: -found[1])
    return finding(
        "warning",
        "suspected_labels",
        message,
        [row.place(f"labelled {task.stratify_key(row.example)!r}, but its neighbours are {other!r}")
         for row, _, other in suspected],
    )  # fmt: skip


def suspects(train: list[SourceRow], task: Task) -> list[tuple[SourceRow, float, str]]:
    """Rows with the share of their neighbours' votes for another label, and that label."""
    keys = [task.stratify_key(row.example) for row in train]
    names = sorted(set(keys))
    own = np.array([names.index(key) for key in keys])
    vectorizer = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 4),
        sublinear_tf=True,
        min_df=2,
        max_features=50_000,
        dtype=np.float32,
    )
    try:
        vectors = vectorizer.fit_transform([row.example.prompt for row in train])
    except ValueError:  # no two prompts share any characters
        return []
    found = []
    for start in range(0, len(train), CHUNK):
        similar = (vectors[start : start + CHUNK] @ vectors.T).toarray()
        here = np.arange(len(similar))
        similar[here, start + here] = -1.0
        near = np.argpartition(-similar, min(NEIGHBOURS, len(train) - 1) - 1, axis=1)[:, :NEIGHBOURS]
        votes = np.zeros((len(similar), len(names)))
        for place in range(near.shape[1]):
            np.add.at(votes, (here, own[near[:, place]]), np.maximum(similar[here, near[:, place]], 0))
        shares = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-9)
        given = shares[here, own[start + here]]
        shares[here, own[start + here]] = -1.0
        best = shares.argmax(axis=1)
        found += [
            (train[start + index], float(shares[index, best[index]]), names[best[index]])
            for index in np.flatnonzero((given < OWN) & (shares[here, best] > OTHER)).tolist()
        ]
    return found
