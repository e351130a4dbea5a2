"""Split the round's budget of rows into batches."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from langgraph.runtime import Runtime

from graphs.analysis.apportion import Name, apportion
from graphs.context import Context, LoopSpec
from graphs.methods import Origin
from graphs.pattern_outcomes import expected_fixes
from graphs.rounds import Round
from graphs.rows import Batch
from graphs.state import LoopState
from graphs.workspace import Workspace

Purpose = tuple[Origin, str, int]
"""What rows are for: the kind, the id of the pattern or training row (empty for the task as such), and how many."""


async def allocate(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Split the round's rows over what the method writes them for."""
    context = runtime.context
    previous, current = workspace.round(state.round - 1), workspace.round(state.round)
    plan = allocation(
        context.loop,
        rows=train_rows(state.round, context, workspace),
        patterns=expected_fixes(previous, current, state.patterns),
        train_failures=train_failures(previous, context),
    )
    batches = make_batches(plan, state.round, context.loop.samples_per_batch)
    current.write_batches(batches)
    return {"batches": len(batches)}


def allocation(
    loop: LoopSpec, rows: list[str], patterns: dict[str, float], train_failures: list[str]
) -> list[Purpose]:
    """What a round's rows are for.

    Args:
        rows: ids of the training rows, in the order in which they get new rows.
        patterns: weight of each pattern: by size, from round 2 also by how much each improved.
        train_failures: ids of the training rows that the student gets wrong; rows are spread evenly over them.
    """
    if "train_row" in loop.origins:
        return purposes("train_row", spread_evenly(loop.asked_per_round, rows))
    if "task" in loop.origins:
        return [("task", "", loop.asked_per_round)]
    for_patterns, for_failures = split_budget(loop, bool(patterns), len(train_failures))
    if loop.guidance.one_each:
        for_failures = min(for_failures, len(train_failures))
    return [
        *purposes("pattern", apportion_with_floor(for_patterns, patterns, loop.pattern_floor)),
        *purposes("train_error", spread_evenly(for_failures, train_failures)),
    ]


def purposes(origin: Origin, rows: dict[str, int]) -> list[Purpose]:
    return [(origin, name, count) for name, count in rows.items()]


def train_rows(round_number: int, context: Context, workspace: Workspace) -> list[str]:
    """Ids of all training rows in a seeded order, starting where the rounds before stopped."""
    ids = [example.id for example in workspace.examples("train")]
    random.Random(f"{context.seed}/rows").shuffle(ids)
    start = (round_number - 1) * context.loop.asked_per_round % len(ids)
    return ids[start:] + ids[:start]


def train_failures(previous: Round, context: Context) -> list[str]:
    """Ids of the sampled training rows that the last student gets wrong, in a seeded order."""
    if "train_error" not in context.loop.origins:
        return []
    wrong = [score.id for score in previous.scores("train") if not score.correct]
    random.Random(f"{context.seed}/{previous.number}/errors").shuffle(wrong)
    return wrong


def split_budget(loop: LoopSpec, patterns: bool, train_failures: int) -> tuple[int, int]:
    """Rows for patterns and rows for training failures. If one of them is missing, the other gets all rows.

    Args:
        patterns: whether the round has patterns.
        train_failures: sampled training rows that the student gets wrong.
    """
    asked = loop.asked_per_round
    if not patterns:
        return 0, asked if train_failures else 0
    for_failures = asked - round(asked * loop.pattern_share) if train_failures else 0
    if loop.rows_per_error:
        for_failures = min(for_failures, math.ceil(train_failures * loop.rows_per_error * loop.oversample))
    return asked - for_failures, for_failures


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


def make_batches(plan: list[Purpose], round_number: int, size: int) -> list[Batch]:
    """Batches of at most `size` rows, each for one purpose."""
    pieces = [
        (origin, name, min(size, rows - start))
        for origin, name, rows in plan
        for start in range(0, rows, size)
    ]
    return [
        Batch(
            id=f"r{round_number}-b{place}",
            round=round_number,
            origin=origin,
            count=count,
            pattern=name if origin == "pattern" else None,
            source=name if origin in ("train_error", "train_row") else None,
        )
        for place, (origin, name, count) in enumerate(pieces)
    ]
