"""What `quick_loop.py` finds out about a finished run: its students' errors on the held-out rows, and what its rows are like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.quick_student import QuickStudent, Row
from graphs.rounds import Round
from graphs.run_paths import RunPaths

Mask = NDArray[np.bool_]


def wrong_by_round(
    paths: RunPaths, rounds: int, student: QuickStudent, held_out: Sequence[Row]
) -> list[Mask]:
    """For the student of each round, whether it gets each held-out row wrong."""
    students = [student.trained(Round(paths, number).artifact()) for number in range(rounds + 1)]
    return [one.classifier.wrong(student.embedded(held_out, one.template)) for one in students]


def describe(
    paths: RunPaths, rounds: int, student: QuickStudent, held_out: Sequence[Row], wrong: Sequence[Mask]
) -> dict[str, float]:
    """What the candidates and the kept rows are like, as means over the rounds."""
    figures: dict[str, list[float]] = defaultdict(list)
    for number in range(1, rounds + 1):
        last = student.trained(Round(paths, number - 1).artifact())
        found = [row for row in Round(paths, number).rows() if row.verdict in ("accepted", "surplus")]
        asked = student.embedded([row.model_dump() for row in found], last.template)
        kept = np.array([row.verdict == "accepted" for row in found])
        missed = last.classifier.wrong(asked)
        failed = student.embedded(held_out, last.template)[np.flatnonzero(wrong[number - 1])]
        figures["% of candidates wrong"].append(100 * missed.mean())
        figures["% of kept rows wrong"].append(100 * missed[kept].mean())
        figures["labels of kept rows"].append(len(set(asked.labels[kept])))
        figures["% of labels as in held-out failures"].append(100 * shared(asked.labels[kept], failed.labels))
        cosines = failed.vectors @ asked.vectors[kept].T
        figures["100 x cosine of a held-out failure to a kept row"].append(100 * cosines.max(axis=1).mean())
    return {name: float(np.mean(values)) for name, values in figures.items()}


def shared(some: NDArray[np.str_], others: NDArray[np.str_]) -> float:
    """What two distributions of labels have in common, 0 to 1."""
    a, b = Counter(map(str, some)), Counter(map(str, others))
    return sum(min(a[label] / len(some), b[label] / len(others)) for label in a)
