"""Seeded, stratified samples."""

import random
from collections import Counter

import pytest

from app.config.sampling import sample_per_stratum, sample_stratified, spread_over_strata


@pytest.mark.parametrize(
    ("sizes", "total", "expected"),
    [
        ({"a": 50, "b": 30, "c": 20}, 10, {"a": 5, "b": 3, "c": 2}),
        # quotas 3.33 each: the first by name gets the one left over
        ({"b": 10, "a": 10, "c": 10}, 10, {"a": 4, "b": 3, "c": 3}),
        # quotas 2.4, 1.4, 0.2: the first two round down, the largest remainder is a's, then c gets one of a's
        ({"a": 12, "b": 7, "c": 1}, 4, {"a": 2, "b": 1, "c": 1}),
        # too few for all
        ({"a": 5, "b": 3, "c": 1}, 2, {"a": 1, "b": 1, "c": 0}),
        ({"a": 2, "b": 3}, 5, {"a": 2, "b": 3}),
    ],
)
def test_apportion(sizes: dict[str, int], total: int, expected: dict[str, int]) -> None:
    assert spread_over_strata(sizes, total) == expected


@pytest.mark.parametrize("seed", range(20))
def test_a_sample_is_ordered_distinct_and_in_proportion(seed: int) -> None:
    rng = random.Random(seed)
    strata = rng.choices("abcdef", weights=[1, 2, 3, 10, 30, 60], k=rng.randint(60, 400))
    total = rng.randint(6, len(strata))
    places = sample_stratified(strata, total, seed)
    assert places == sorted(set(places))
    assert len(places) == total
    sizes, drawn = Counter(strata), Counter(strata[place] for place in places)
    for stratum, size in sizes.items():
        quota = total * size / len(strata)
        # one off by rounding, and the largest may give one up for each of the others
        assert max(1, quota - 6) <= drawn[stratum] <= min(size, max(1, quota + 1))


def test_the_seed_alone_decides() -> None:
    strata = ["a", "b"] * 50
    assert sample_stratified(strata, 20, 1) == sample_stratified(strata, 20, 1)
    assert sample_stratified(strata, 20, 1) != sample_stratified(strata, 20, 2)


def test_more_than_there_are() -> None:
    assert sample_stratified(["a", "b", "a"], 9, 0) == [0, 1, 2]
    assert sample_stratified([], 9, 0) == []


def test_per_stratum() -> None:
    strata = ["a"] * 5 + ["b"] * 2 + ["a"] * 5
    places = sample_per_stratum(strata, 3, 0)
    assert Counter(strata[place] for place in places) == {"a": 3, "b": 2}
    assert places == sorted(places)
    assert places != sample_per_stratum(strata, 3, 1)
