"""Split the round's budget of rows into batches."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

from langgraph.runtime import Runtime

from graphs.context import Context, LoopSpec
from graphs.methods import Origin
from graphs.pattern_outcomes import expected_fixes
from graphs.rows import Batch
from graphs.state import LoopState
from graphs.workspace import Workspace

Name = TypeVar("Name", bound=Hashable)
Purpose = tuple[Origin, str, int]
"""What rows are for: the kind, the id of the pattern or training row (empty for the task as such), and how many."""


async def allocate(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Give rows to what the method writes them for."""
    context, number = runtime.context, state.round
    plan = allocation(
        context.loop,
        rows=train_rows(number, context, workspace),
        patterns=expected_fixes(workspace, number, state.patterns),
        errors=train_errors(number - 1, context, workspace),
    )
    batches = make_batches(plan, number, context.loop.samples_per_batch)
    workspace.round(number).write_batches(batches)
    return {"batches": len(batches)}


def allocation(
    loop: LoopSpec, rows: list[str], patterns: dict[str, float], errors: list[str]
) -> list[Purpose]:
    """What a round's rows are for.

    Args:
        rows: ids of the training rows, in the order of their turns.
        patterns: weight of each pattern: by size, from round 2 by how much each improved.
        errors: ids of the training rows that the student gets wrong; rows are spread evenly over them.
    """
    if "train_row" in loop.origins:
        return purposes("train_row", spread_evenly(loop.asked_per_round, rows))
    if "task" in loop.origins:
        return [("task", "", loop.asked_per_round)]
    for_patterns, for_errors = split_budget(loop, bool(patterns), len(errors))
    if loop.guidance.one_each:
        for_errors = min(for_errors, len(errors))
    return [
        *purposes("pattern", apportion(for_patterns, patterns, loop.pattern_floor)),
        *purposes("train_error", spread_evenly(for_errors, errors)),
    ]


def purposes(origin: Origin, rows: dict[str, int]) -> list[Purpose]:
    return [(origin, name, count) for name, count in rows.items()]


def train_rows(number: int, context: Context, workspace: Workspace) -> list[str]:
    """Ids of all training rows in a seeded order, from the one at which the rounds before came to an end."""
    ids = [example.id for example in workspace.examples("train")]
    random.Random(f"{context.seed}/rows").shuffle(ids)
    start = (number - 1) * context.loop.asked_per_round % len(ids)
    return ids[start:] + ids[:start]


def train_errors(number: int, context: Context, workspace: Workspace) -> list[str]:
    """Ids of the sampled training rows that the last student gets wrong, in a seeded order."""
    if "train_error" not in context.loop.origins:
        return []
    wrong = [score.id for score in workspace.round(number).scores("train") if not score.correct]
    random.Random(f"{context.seed}/{number}/errors").shuffle(wrong)
    return wrong


def split_budget(loop: LoopSpec, patterns: bool, errors: int) -> tuple[int, int]:
    """Rows for patterns and rows for so many training errors; where one has nothing to work on, the other gets all."""
    asked = loop.asked_per_round
    if not patterns:
        return 0, asked if errors else 0
    for_errors = asked - round(asked * loop.pattern_share) if errors else 0
    if loop.rows_per_error:
        for_errors = min(for_errors, math.ceil(errors * loop.rows_per_error * loop.oversample))
    return asked - for_errors, for_errors


def apportion(rows: int, weights: Mapping[Name, float], floor: int) -> dict[Name, int]:
    """Whole rows in proportion to the weights, all positive (largest remainders), none below the floor while rows last."""
    if not weights or not rows:
        return {}
    floor = min(floor, rows // len(weights))
    left, total = rows - floor * len(weights), sum(weights.values())
    exact = {name: left * weight / total for name, weight in weights.items()}
    shares = {name: floor + math.floor(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: exact[name] - math.floor(exact[name]), reverse=True)
    for name in by_remainder[: rows - sum(shares.values())]:
        shares[name] += 1
    return shares


def spread_evenly(rows: int, names: list[str]) -> dict[str, int]:
    """Rows spread over as many errors as there are, one each before any gets two."""
    share, more = divmod(rows, len(names)) if names else (0, 0)
    return {name: share + (place < more) for place, name in enumerate(names) if share + (place < more)}


def make_batches(plan: list[Purpose], number: int, size: int) -> list[Batch]:
    """Batches of at most `size` rows, each for one purpose."""
    pieces = [
        (origin, name, min(size, rows - start))
        for origin, name, rows in plan
        for start in range(0, rows, size)
    ]
    return [
        Batch(
            id=f"r{number}-b{place}",
            round=number,
            origin=origin,
            count=count,
            pattern=name if origin == "pattern" else None,
            source=name if origin in ("train_error", "train_row") else None,
        )
        for place, (origin, name, count) in enumerate(pieces)
    ]
