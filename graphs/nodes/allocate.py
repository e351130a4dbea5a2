"""Split the round's budget of rows into batches."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.runtime import Runtime

from graphs.analysis.apportion import Name, apportion
from graphs.context import Context, LoopSpec
from graphs.methods import Origin
from graphs.nodes.choose_unlabeled import Chosen, choose_unlabeled
from graphs.pattern_outcomes import expected_fixes
from graphs.person_rows import PersonRow, take
from graphs.rounds import Round
from graphs.rows import Batch
from graphs.state import LoopState
from graphs.workspace import Workspace

Purpose = tuple[Origin, str, int]
"""What rows are for: the kind, the id of the pattern or training row (empty for the task as such and for exploration), and how many."""


async def allocate(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Choose the unlabelled rows, split the other rows of the round over what the method writes them for, and take the rows that
    people added."""
    context, loop = runtime.context, runtime.context.loop
    previous, current = workspace.round(state.round - 1), workspace.round(state.round)
    patterns = expected_fixes(previous, current, state.patterns)
    wanted = loop.unlabeled_per_round
    chosen = await choose_unlabeled(wanted, patterns, current, context, workspace) if wanted else {}
    kept = loop.synthetic_per_round - sum(map(len, chosen.values())) if loop.generates else 0
    asked = loop.generated_for(kept, workspace.task.self_contained)
    plan = allocation(
        loop,
        asked,
        rows=train_rows(state.round, asked, context, workspace),
        patterns=patterns,
        train_failures=train_failures(previous, context),
        kept=kept,
    )
    cases = {name: pattern.failures for name, pattern in current.patterns().items()}
    batches = make_batches(plan, state.round, loop.samples_per_batch, cases if loop.cases else {})
    batches += unlabeled_batches(chosen, state.round, loop.samples_per_batch, len(batches))
    batches += person_batches(take(workspace.paths, state.round), state.round, len(batches))
    current.write_batches(batches)
    return {"batches": len(batches)}


def allocation(
    loop: LoopSpec,
    asked: int,
    rows: list[str],
    patterns: dict[str, float],
    train_failures: list[str],
    kept: int | None = None,
) -> list[Purpose]:
    """What a round's generated rows are for.

    Args:
        asked: rows to ask for.
        rows: ids of the training rows, in the order in which they get new rows.
        patterns: weight of each pattern: by size, from round 2 also by how much each improved.
        train_failures: ids of the training rows that the student gets wrong; rows are spread evenly over them.
        kept: rows of those that the round keeps; None is all of `loop.synthetic_per_round`.
    """
    if "train_row" in loop.origins:
        return purposes("train_row", spread_evenly(asked, rows))
    if "task" in loop.origins:
        return [("task", "", asked)]
    for_patterns, for_failures, explored = split_budget(
        loop, asked, bool(patterns), len(train_failures), kept
    )
    if loop.guidance.one_each:
        for_failures = min(for_failures, len(train_failures))
    return [
        *purposes("pattern", apportion_with_floor(for_patterns, patterns, loop.pattern_floor)),
        *purposes("train_error", spread_evenly(for_failures, train_failures)),
        ("explore", "", explored),
    ]


def purposes(origin: Origin, rows: dict[str, int]) -> list[Purpose]:
    return [(origin, name, count) for name, count in rows.items()]


def train_rows(round_number: int, asked: int, context: Context, workspace: Workspace) -> list[str]:
    """Ids of all training rows in a seeded order, starting where the rounds before stopped."""
    ids = [example.id for example in workspace.examples("train")]
    random.Random(f"{context.seed}/rows").shuffle(ids)
    start = (round_number - 1) * asked % len(ids)
    return ids[start:] + ids[:start]


def train_failures(previous: Round, context: Context) -> list[str]:
    """Ids of the sampled training rows that the last student gets wrong, in a seeded order."""
    if "train_error" not in context.loop.origins:
        return []
    wrong = [score.id for score in previous.scores("train") if not score.correct]
    random.Random(f"{context.seed}/{previous.number}/errors").shuffle(wrong)
    return wrong


def split_budget(
    loop: LoopSpec, asked: int, patterns: bool, train_failures: int, kept: int | None = None
) -> tuple[int, int, int]:
    """Rows for patterns, for training failures, and for exploration, which only goes with patterns.

    If patterns or training failures are missing, the other one gets all rows that are not for exploration.

    Args:
        asked: rows to split.
        patterns: whether the round has patterns.
        train_failures: sampled training rows that the student gets wrong.
        kept: see `allocation`.
    """
    if not patterns:
        return 0, asked if train_failures else 0, 0
    explored = round(asked * loop.explore_share)
    guided = asked - explored
    for_failures = guided - round(guided * loop.pattern_share) if train_failures else 0
    if loop.rows_per_error:
        bound = train_failures * loop.rows_per_error * asked / (kept or loop.synthetic_per_round)
        for_failures = min(for_failures, math.ceil(bound))
    return guided - for_failures, for_failures, explored


def apportion_with_floor(rows: int, weights: Mapping[Name, float], floor: int) -> dict[Name, int]:
    """Rows in proportion to the weights. Nobody gets less than the floor if the rows suffice.

    Args:
        weights: all positive.
    """
    if not weights or not rows:
        return {}
    floor = min(floor, rows // len(weights))
    above = apportion(rows - floor * len(weights), weights)
    return {name: floor + share for name, share in above.items()}


def spread_evenly(rows: int, names: list[str]) -> dict[str, int]:
    """Rows spread over the names: everyone gets one before anyone gets two."""
    share, more = divmod(rows, len(names)) if names else (0, 0)
    return {name: share + (place < more) for place, name in enumerate(names) if share + (place < more)}


def make_batches(
    plan: list[Purpose], round_number: int, size: int, cases: Mapping[str, Sequence[str]]
) -> list[Batch]:
    """Batches of at most `size` rows, each for one purpose.

    Args:
        cases: pattern id -> ids of its failures, over which the pattern's batches go in turn; those of a pattern that is
            not there are for the pattern as a whole.
    """
    pieces = [
        (origin, name, min(size, rows - start), turn)
        for origin, name, rows in plan
        for turn, start in enumerate(range(0, rows, size))
    ]
    return [
        Batch(
            id=f"r{round_number}-b{place}",
            round=round_number,
            origin=origin,
            count=count,
            pattern=name if origin == "pattern" else None,
            case=cases[name][turn % len(cases[name])] if name in cases else None,
            source=name if origin in ("train_error", "train_row") else None,
        )
        for place, (origin, name, count, turn) in enumerate(pieces)
    ]


def unlabeled_batches(chosen: Chosen, round_number: int, size: int, first: int) -> list[Batch]:
    """Batches of at most `size` unlabelled rows, each of one pattern.

    Args:
        first: number of the first batch.
    """
    pieces = [
        (pattern, names[start : start + size])
        for pattern, names in chosen.items()
        for start in range(0, len(names), size)
    ]
    return [
        Batch(
            id=f"r{round_number}-b{place}",
            round=round_number,
            origin="unlabeled",
            count=len(names),
            pattern=pattern or None,
            prompts=names,
        )
        for place, (pattern, names) in enumerate(pieces, first)
    ]


def person_batches(rows: Sequence[PersonRow], round_number: int, first: int) -> list[Batch]:
    """A batch for each row that a person added, so that the judge's scores are about this row alone.

    Args:
        first: the number of the first batch.
    """
    return [
        Batch(
            id=f"r{round_number}-b{first + place}",
            round=round_number,
            origin="person",
            count=1,
            source=row.id,
        )
        for place, row in enumerate(rows)
    ]
