"""The round's budget of rows: shares, floors, batches."""

from __future__ import annotations

import random
from typing import Any

import pytest

from graphs.context import LoopSpec
from graphs.nodes.allocate import (
    Purpose,
    allocation,
    apportion_with_floor,
    make_batches,
    split_budget,
    spread_evenly,
)


def test_apportion_by_hand() -> None:
    """10 rows, a floor of 1 each, 7 left: 4.67, 1.4 and 0.93 by weight, so the one left over goes to the third."""
    assert apportion_with_floor(10, {"a": 10, "b": 3, "c": 2}, 1) == {"a": 6, "b": 2, "c": 2}
    assert apportion_with_floor(10, {"a": 10, "b": 3, "c": 2}, 0) == {"a": 7, "b": 2, "c": 1}


def test_apportion_without_rows_or_patterns() -> None:
    assert apportion_with_floor(0, {"a": 1.0}, 2) == {}
    assert apportion_with_floor(5, {}, 2) == {}


def test_apportion_gives_the_floor_that_rows_allow() -> None:
    assert apportion_with_floor(3, {"a": 100.0, "b": 1.0, "c": 1.0}, 2) == {"a": 1, "b": 1, "c": 1}
    assert apportion_with_floor(2, {"a": 100.0, "b": 1.0, "c": 1.0}, 2) == {"a": 2, "b": 0, "c": 0}


def test_apportion_always_gives_all_rows_and_keeps_the_order_of_weights() -> None:
    rng = random.Random(0)
    for _ in range(500):
        weights = {
            str(n): rng.choice([rng.random(), rng.expovariate(0.1)]) for n in range(rng.randint(1, 12))
        }
        rows, floor = rng.randint(1, 200), rng.randint(0, 5)
        shares = apportion_with_floor(rows, weights, floor)
        total = sum(weights.values())
        assert sum(shares.values()) == rows
        least = min(floor, rows // len(weights))
        for name, share in shares.items():
            exact = least + (rows - least * len(weights)) * weights[name] / total
            assert abs(share - exact) < 1, "largest remainders stay within one row of the exact share"
            assert share >= least


def test_even_gives_everyone_one_before_anyone_two() -> None:
    assert spread_evenly(5, ["a", "b", "c"]) == {"a": 2, "b": 2, "c": 1}
    assert spread_evenly(2, ["a", "b", "c"]) == {"a": 1, "b": 1}
    assert spread_evenly(3, []) == {}
    assert spread_evenly(0, ["a"]) == {}


def test_cut_covers_the_plan_with_batches_of_at_most_the_size() -> None:
    batches = make_batches([("pattern", "p0", 7), ("train_error", "row 9", 3)], 2, 3, {})
    assert [(b.id, b.origin, b.count, b.pattern, b.source) for b in batches] == [
        ("r2-b0", "pattern", 3, "p0", None),
        ("r2-b1", "pattern", 3, "p0", None),
        ("r2-b2", "pattern", 1, "p0", None),
        ("r2-b3", "train_error", 3, None, "row 9"),
    ]
    assert {b.round for b in batches} == {2}


def test_cut_loses_no_row() -> None:
    rng = random.Random(1)
    for _ in range(200):
        plan: list[Purpose] = [("pattern", str(n), rng.randint(0, 20)) for n in range(rng.randint(0, 6))]
        size = rng.randint(1, 7)
        batches = make_batches(plan, 1, size, {})
        assert all(1 <= batch.count <= size for batch in batches)
        for _, name, rows in plan:
            assert sum(batch.count for batch in batches if batch.pattern == name) == rows


@pytest.mark.parametrize(
    ("patterns", "errors", "expected"),
    [(True, 60, (24, 56, 20)), (True, 0, (80, 0, 20)), (False, 60, (0, 100, 0)), (False, 0, (0, 0, 0))],
)
def test_split_gives_all_to_the_one_that_has_work(
    patterns: bool, errors: int, expected: tuple[int, int, int]
) -> None:
    loop = LoopSpec(synthetic_per_round=100, pattern_share=0.3, explore_share=0.2)
    assert split_budget(loop, 100, patterns, errors) == expected


@pytest.mark.parametrize(
    ("loop", "patterns", "expected"),
    [
        ({"rows_per_error": 3, "oversample": 1}, True, (91, 9)),
        ({"rows_per_error": None, "oversample": 1}, True, (30, 70)),
        ({"rows_per_error": 3, "oversample": 1}, False, (0, 100)),
        ({"rows_per_error": 3, "oversample": 2.5}, True, (227, 23)),
    ],
)
def test_few_training_errors_leave_rows_to_the_patterns(
    loop: dict[str, Any], patterns: bool, expected: tuple[int, int]
) -> None:
    spec = LoopSpec(synthetic_per_round=100, pattern_share=0.3, explore_share=0, **loop)
    for_patterns, for_failures, _ = split_budget(spec, spec.asked_per_round(True), patterns, 3)
    assert (for_patterns, for_failures) == expected


def test_a_pattern_s_batches_go_over_its_cases_in_turn() -> None:
    batches = make_batches(
        [("pattern", "p0", 7), ("pattern", "p1", 2)], 1, 2, {"p0": ["a", "b", "c"], "p1": ["d"]}
    )
    assert [(batch.pattern, batch.case, batch.count) for batch in batches] == [
        ("p0", "a", 2), ("p0", "b", 2), ("p0", "c", 2), ("p0", "a", 1), ("p1", "d", 2),
    ]  # fmt: skip


def test_exploration_goes_with_patterns_only() -> None:
    loop = LoopSpec(explore_share=0.25, oversample=1)
    weights = {"p0": 1.0}
    assert allocation(loop, 8, [], weights, []) == [("pattern", "p0", 6), ("explore", "", 2)]
    assert allocation(loop, 8, [], {}, ["row"]) == [("train_error", "row", 8), ("explore", "", 0)]
    assert allocation(LoopSpec(method="random"), 8, [], {}, []) == [("task", "", 8)]
