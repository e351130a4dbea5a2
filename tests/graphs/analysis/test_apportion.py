"""Whole numbers in proportion to weights."""

from __future__ import annotations

import math
import random

from app.config.sampling import spread_over_strata
from graphs.analysis.apportion import apportion
from graphs.nodes.allocate import apportion_with_floor


def test_by_hand() -> None:
    """10 over 10, 3 and 2 is 6.67, 2 and 1.33: the one that is left goes to the largest remainder, the first."""
    assert apportion(10, {"a": 10, "b": 3, "c": 2}) == {"a": 7, "b": 2, "c": 1}


def test_ties_go_by_order() -> None:
    assert apportion(2, {"x": 1, "a": 1, "b": 1}) == {"x": 1, "a": 1, "b": 0}


def test_weights_need_not_be_whole_nor_large() -> None:
    assert apportion(3, {"a": 1e-12, "b": 2e-12}) == {"a": 1, "b": 2}


def test_quota_rule() -> None:
    """Every share is the exact one rounded down or up, and all is shared out (Balinski and Young 1982)."""
    rng = random.Random(5)
    for _ in range(300):
        weights = {str(n): rng.expovariate(1.0) + 1e-9 for n in range(rng.randint(1, 30))}
        total = rng.randint(0, 500)
        shares = apportion(total, weights)
        whole = math.fsum(weights.values())
        assert sum(shares.values()) == total
        assert all(abs(shares[name] - total * weight / whole) < 1 for name, weight in weights.items())


def with_integers(sizes: dict[str, int], total: int) -> dict[str, int]:
    """Strata as they were shared out before there was one function."""
    whole = sum(sizes.values())
    counts = {stratum: total * size // whole for stratum, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda stratum: (-(total * sizes[stratum] % whole), stratum))
    for stratum in by_remainder[: total - sum(counts.values())]:
        counts[stratum] += 1
    if total >= len(sizes):
        for stratum in sorted(stratum for stratum in counts if not counts[stratum]):
            counts[max(sorted(counts), key=counts.__getitem__)] -= 1
            counts[stratum] = 1
    return counts


def test_samples_by_stratum_are_those_of_before() -> None:
    """A seed must draw the same rows in every version."""
    rng = random.Random(1)
    for _ in range(500):
        sizes = {f"{rng.randint(0, 999)}": rng.randint(1, 60) for _ in range(rng.randint(1, 20))}
        total = rng.randint(0, sum(sizes.values()))
        assert spread_over_strata(sizes, total) == with_integers(sizes, total)


def with_floats(rows: int, weights: dict[str, float], floor: int) -> dict[str, int]:
    """Patterns as they were given rows before there was one function."""
    floor = min(floor, rows // len(weights))
    left, total = rows - floor * len(weights), sum(weights.values())
    exact = {name: left * weight / total for name, weight in weights.items()}
    shares = {name: floor + math.floor(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: exact[name] - math.floor(exact[name]), reverse=True)
    for name in by_remainder[: rows - sum(shares.values())]:
        shares[name] += 1
    return shares


def test_patterns_get_the_rows_of_before() -> None:
    rng = random.Random(2)
    for _ in range(500):
        weights = {str(n): rng.randint(1, 40) * rng.random() + 0.01 for n in range(rng.randint(1, 15))}
        rows, floor = rng.randint(1, 300), rng.randint(0, 4)
        assert apportion_with_floor(rows, weights, floor) == with_floats(rows, weights, floor)
