"""Split the round's budget of rows into batches."""

from __future__ import annotations

import math
import random
from typing import Any

from langgraph.runtime import Runtime

from graphs.accounts import expected_fixes
from graphs.context import Context, LoopSpec
from graphs.rows import Batch, Origin
from graphs.state import LoopState
from graphs.workspace import Workspace
from trainer.artifacts import write_jsonl


async def allocate(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Give rows to patterns (by size, from round 2 by how much each improved) and to training errors."""
    context = runtime.context
    errors = train_errors(state.round - 1, context, workspace)
    for_patterns, for_errors = split(context.loop, bool(state.patterns), bool(errors))
    shares = apportion(
        for_patterns, expected_fixes(workspace, state.round, state.patterns), context.loop.pattern_floor
    )
    plan: list[tuple[Origin, str, int]] = [("pattern", name, rows) for name, rows in shares.items()]
    plan += [("train_error", name, rows) for name, rows in even(for_errors, errors).items()]
    batches = cut(plan, state.round, context.loop.samples_per_batch)
    write_jsonl(workspace.paths.round(state.round).batches, batches)
    return {"batches": len(batches)}


def train_errors(number: int, context: Context, workspace: Workspace) -> list[str]:
    """Ids of the sampled training rows that the last student gets wrong, in a seeded order."""
    if not context.loop.train_errors:
        return []
    wrong = [score.id for score in workspace.scores(number, "train") if not score.correct]
    random.Random(f"{context.seed}/{number}/errors").shuffle(wrong)
    return wrong


def split(loop: LoopSpec, patterns: bool, errors: bool) -> tuple[int, int]:
    """Rows for patterns and rows for training errors; where one has nothing to work on, the other gets all."""
    if not errors:
        return (loop.synthetic_per_round if patterns else 0), 0
    if not patterns:
        return 0, loop.synthetic_per_round
    rows = round(loop.synthetic_per_round * loop.pattern_share)
    return rows, loop.synthetic_per_round - rows


def apportion(rows: int, weights: dict[str, float], floor: int) -> dict[str, int]:
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


def even(rows: int, names: list[str]) -> dict[str, int]:
    """Rows spread over as many errors as there are, one each before any gets two."""
    share, more = divmod(rows, len(names)) if names else (0, 0)
    return {name: share + (place < more) for place, name in enumerate(names) if share + (place < more)}


def cut(plan: list[tuple[Origin, str, int]], number: int, size: int) -> list[Batch]:
    """Batches of at most `size` rows, each for one pattern or one training error."""
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
            source=name if origin == "train_error" else None,
        )
        for place, (origin, name, count) in enumerate(pieces)
    ]
