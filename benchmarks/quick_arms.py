"""The arms of `quick_loop.py`: settings of the loop, and rules that were tried in place of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from graphs.analysis.clustering import representatives
from graphs.checks.corpus import Corpus
from graphs.context import Context
from graphs.nodes.select_rows import answered_right
from graphs.rounds import Round
from graphs.rows import NewRow
from graphs.workspace import Workspace

Vectors = NDArray[np.float32]
Pick = Callable[[Vectors, Vectors, int, int], Sequence[int]]
Select = Callable[[Sequence[NewRow], int, Round, Context, Corpus, Workspace], Awaitable[set[str]]]


@dataclass(frozen=True)
class Arm:
    """One way of asking for rows and choosing among them."""

    loop: dict[str, Any] = field(default_factory=dict)
    """Settings that are not the defaults."""
    replaced: dict[str, Any] = field(default_factory=dict)
    """Name in a module of `graphs.nodes` -> what takes its place, such as `accept.select`."""

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """While this lasts, the loop has the arm's rules."""
        with ExitStack() as stack:
            for name, rule in self.replaced.items():
                stack.enter_context(mock.patch(f"graphs.nodes.{name}", rule))
            yield


def one_choice(pick: Pick) -> Select:
    """One choice over all candidates, whatever they were written for: `pick` chooses among the wrong ones, by their vectors and
    those of the last student's validation failures."""

    async def select(
        passed: Sequence[NewRow],
        rows: int,
        current: Round,
        context: Context,
        corpus: Corpus,
        workspace: Workspace,
    ) -> set[str]:
        right = await answered_right(passed, current, context, workspace)
        wrong = [row for row in passed if not right[row.id]]
        if len(wrong) <= rows:
            others = [row.id for row in passed if right[row.id]][: rows - len(wrong)]
            return {row.id for row in wrong} | set(others)
        vectors = await corpus.embed([row.prompt for row in wrong])
        failures = workspace.failures(current.number - 1, "validation").values()
        aims = await corpus.embed([failure.example.prompt for failure in failures])
        return {wrong[place].id for place in pick(vectors, aims, rows, context.seed)}

    return select


def medoids(vectors: Vectors, aims: Vectors, count: int, seed: int) -> Sequence[int]:
    """The medoids, and others where there are fewer different rows."""
    chosen = [int(place) for place in representatives(vectors, count, seed)]
    return (chosen + [place for place in range(len(vectors)) if place not in chosen])[:count]


def facility(vectors: Vectors, aims: Vectors, count: int, seed: int) -> Sequence[int]:
    """Greedy facility location: each validation failure and each wrong candidate is covered by its nearest chosen row. The failures
    together weigh as much as the candidates."""
    near = np.concatenate([vectors @ vectors.T, vectors @ aims.T], axis=1)
    weights = np.concatenate([np.full(len(rows), 1 / len(rows)) for rows in (vectors, aims)])
    covered, chosen = np.zeros(near.shape[1]), list[int]()
    for _ in range(count):
        gains = np.maximum(near - covered, 0) @ weights
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, near[chosen[-1]])
    return chosen


def chosen_by(pick: Pick) -> dict[str, Any]:
    return {"accept.select": one_choice(pick)}


RANDOM: dict[str, Any] = {"method": "random", "oversample": 4}
EACH: dict[str, Any] = {"errors_per_pattern": 1, "max_patterns": 200}
MIXED: dict[str, Any] = {"explore_share": 0.5}
ARMS = {
    "pada": Arm(),
    "random-selected": Arm(RANDOM),
    "each": Arm(EACH),
    "mixed": Arm(MIXED, chosen_by(medoids)),
    "mixed-each": Arm(MIXED | EACH, chosen_by(medoids)),
    "mixed-facility": Arm(MIXED, chosen_by(facility)),
    "random-facility": Arm(RANDOM, chosen_by(facility)),
}
"""`mixed` asks for half of the candidates at random, and makes one choice over all; `each` has a pattern for each failure."""
