"""Which rows are for training, validation and test: whole clusters, in proportion to the labels, or by time."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from app.config.splits import SPLITS, Split
from app.prepare.drafts import Draft
from app.prepare.duplicates import same_question
from app.prepare.near import THRESHOLDS, near_prompts
from app.prepare.sizes import Sizes
from app.prepare.tables import InputError
from app.prepare.times import parse_times
from trainer.tasks.json_fields import parse


@dataclass
class Cluster:
    """Rows that must stay together."""

    rows: list[int]
    strata: Counter[str]
    time: float = 0.0
    """The latest of its rows, in seconds since 1970."""


@dataclass
class Assignment:
    """A split for each row."""

    splits: list[Split]
    notes: list[str] = field(default_factory=list)


def find_clusters(
    drafts: Sequence[Draft], task: str, others: Sequence[Draft]
) -> tuple[list[Cluster], list[str]]:
    """Rows that ask the same or nearly the same, share a passage, or belong to one group; and what to say of it.

    Args:
        others: rows whose split is given. What is nearly the same is a question of all rows of the data.
    """
    near, threshold = near_prompts([draft.asked for draft in (*drafts, *others)])
    near, questions = near[: len(drafts)], [same_question(draft) for draft in drafts]
    labels = [near, _codes(questions)]
    labels += [
        _codes(values) for values in ([d.group for d in drafts], [d.passage for d in drafts]) if any(values)
    ]
    joined = _joined(labels)
    clusters: defaultdict[int, Cluster] = defaultdict(lambda: Cluster([], Counter()))
    for place, (key, draft) in enumerate(zip(joined, drafts, strict=True)):
        clusters[key].rows.append(place)
        clusters[key].strata[stratum(draft, task)] += 1
    notes = []
    alike = len(set(questions)) - len(set(near))
    if alike:
        notes.append(
            f"{alike:,} {'prompt is' if alike == 1 else 'prompts are'} nearly the same as another; such rows stay in one split."
        )
    if threshold > THRESHOLDS[0]:
        notes.append(
            f"Many prompts are alike, so that near duplicates are those that share {100 * threshold:.0f} % of their wording, "
            f"not {100 * THRESHOLDS[0]:.0f} %."
        )
    return list(clusters.values()), notes


def _codes(values: list[str]) -> list[int]:
    """A number for each value; a row without one is alone."""
    known: dict[str, int] = {}
    return [known.setdefault(value or f"\0{place}", len(known)) for place, value in enumerate(values)]


def _joined(labels: list[list[int]]) -> list[int]:
    """Rows are together when any of the labellings puts them together."""
    count, offset = len(labels[0]), len(labels[0])
    rows, nodes = [], []
    for labelling in labels:
        rows.append(np.arange(count))
        nodes.append(np.asarray(labelling) + offset)
        offset += max(labelling) + 1
    edges = sparse.coo_array(
        (np.ones(count * len(labels), dtype=np.int8), (np.concatenate(rows), np.concatenate(nodes))),
        shape=(offset, offset),
    )
    _, found = connected_components(edges, directed=False)
    return [int(label) for label in found[:count]]


def stratum(draft: Draft, task: str) -> str:
    """What the splits should have in the same proportion: the label, the letter, or the set of fields."""
    if task == "json_fields":
        return json.dumps(sorted(parse(draft.answer) or {}))
    return draft.answer if task in ("classification", "multiple_choice") else ""


def assign(clusters: Sequence[Cluster], count: int, sizes: Sizes, seed: int, *, shown: bool) -> Assignment:
    """Spread the clusters at random, the rarest labels first, so that each split gets its share of every label.

    Iterative stratification (Sechidis et al. 2011, "On the stratification of multi-label data") over clusters.

    Args:
        count: how many rows there are.
        shown: train must show every label that validation or test has.

    Raises:
        InputError: the clusters are too few or too large for the sizes.
    """
    rng = random.Random(seed)
    order = list(clusters)
    rng.shuffle(order)
    totals = sum((cluster.strata for cluster in clusters), Counter())
    # large ones first, while there is room; then the rare labels
    order.sort(key=lambda cluster: (-len(cluster.rows), min(totals[key] for key in cluster.strata)))
    wanted = {split: float(getattr(sizes, split)) for split in SPLITS}
    lacking = {
        split: {key: total * wanted[split] / count for key, total in totals.items()} for split in SPLITS
    }
    left = dict(wanted)
    splits: list[Split] = ["train"] * count
    for cluster in order:
        chosen = _best(cluster, lacking, left, wanted)
        _put(cluster, chosen, splits, lacking, left)
    assignment = Assignment(splits)
    if shown:
        _show_all(clusters, assignment)
    _refuse_empty(assignment.splits, sizes, len(clusters))
    return assignment


def _best(
    cluster: Cluster,
    lacking: dict[Split, dict[str, float]],
    left: dict[Split, float],
    wanted: dict[Split, float],
) -> Split:
    """The split that lacks most of the cluster's labels; train where no other has room."""
    size = len(cluster.rows)
    able = [
        split
        for split in SPLITS
        if wanted[split] and (split == "train" or left[split] >= size or _little_over(left[split], size))
    ]
    return max(
        able,
        key=lambda split: (
            round(sum(min(lacking[split][key], count) for key, count in cluster.strata.items()), 9),
            left[split] / wanted[split],
        ),
        default="train",
    )


def _little_over(left: float, size: int) -> bool:
    """Whether most of a cluster fits."""
    return left > size / 2


def _put(
    cluster: Cluster,
    chosen: Split,
    splits: list[Split],
    lacking: dict[Split, dict[str, float]],
    left: dict[Split, float],
) -> None:
    for place in cluster.rows:
        splits[place] = chosen
    for key, count in cluster.strata.items():
        lacking[chosen][key] -= count
    left[chosen] -= len(cluster.rows)


def _show_all(clusters: Sequence[Cluster], assignment: Assignment) -> None:
    """Move clusters whose labels train lacks to train."""
    known = {
        key for cluster in clusters if assignment.splits[cluster.rows[0]] == "train" for key in cluster.strata
    }
    moved: Counter[str] = Counter()
    for cluster in clusters:
        lacking = cluster.strata.keys() - known
        if lacking and assignment.splits[cluster.rows[0]] != "train":
            for place in cluster.rows:
                assignment.splits[place] = "train"
            known |= cluster.strata.keys()
            moved.update({key: cluster.strata[key] for key in lacking})
    if moved:
        shown = ", ".join(f"{label!r}" for label, _ in moved.most_common(5))
        assignment.notes.append(
            f"Rows that alone show a label are for training: {shown}{', …' if len(moved) > 5 else ''}."
        )


def assign_by_time(
    clusters: Sequence[Cluster], drafts: Sequence[Draft], sizes: Sizes, column: str, *, shown: bool
) -> Assignment:
    """The newest clusters to test, those before them to validation, the oldest to train; a cluster is as new as its last row.

    Raises:
        InputError: the column holds no dates, or the clusters are too few.
    """
    times = parse_times([draft.time for draft in drafts], column)
    for cluster in clusters:
        cluster.time = max(times[place] or 0.0 for place in cluster.rows)
    splits: list[Split] = ["train"] * len(drafts)
    left = {"test": sizes.test, "validation": sizes.validation}
    for cluster in sorted(clusters, key=lambda cluster: (-cluster.time, cluster.rows)):
        chosen: Split = "test" if left["test"] > 0 else "validation" if left["validation"] > 0 else "train"
        for place in cluster.rows:
            splits[place] = chosen
        if chosen != "train":
            left[chosen] -= len(cluster.rows)
    newest = dict.fromkeys(SPLITS, "")
    for place in sorted(range(len(drafts)), key=lambda place: times[place] or 0.0):
        newest[splits[place]] = drafts[place].time
    assignment = Assignment(splits)
    if shown:
        _show_all(clusters, assignment)
    _refuse_empty(splits, sizes, len(clusters))
    assignment.notes.insert(
        0,
        f"By time: train ends with {newest['train']}, validation with {newest['validation']}, test with {newest['test']}.",
    )
    return assignment


def _refuse_empty(splits: Sequence[Split], sizes: Sizes, clusters: int) -> None:
    found = Counter(splits)
    empty = [split for split in SPLITS if getattr(sizes, split) and not found[split]]
    if empty:
        raise InputError(
            f"No rows are left for {' and '.join(empty)}: rows that must stay together (one group, one passage, or nearly "
            f"the same prompt) make {clusters:,} bundles of {len(splits):,} rows. Give more rows, or pass --group none."
        )
