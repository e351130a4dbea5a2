"""Differences over rows and seeds."""

from __future__ import annotations

import numpy as np
import pytest

from app.compare.statistics import over_rows_and_seeds
from graphs.analysis.statistics import paired


def test_with_one_seed_it_is_the_paired_comparison() -> None:
    rng = np.random.default_rng(0)
    before = (rng.random(300) < 0.5).astype(float)
    after = np.where(rng.random(300) < 0.2, 1.0, before)
    one = paired(before, after, before == 1, after == 1, 0)
    crossed = over_rows_and_seeds((after - before)[None], 0, differences=True)
    assert crossed.mean == pytest.approx(one.difference)
    assert (crossed.low, crossed.high) == pytest.approx((one.low, one.high), abs=0.006)


def test_seeds_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.1, (4, 200))
    alike, apart = noise + 0.1, noise + np.array([[-0.2], [0.0], [0.2], [0.4]])
    narrow, wide = (over_rows_and_seeds(table, 0) for table in (alike, apart))
    assert narrow.mean == pytest.approx(wide.mean, abs=1e-9)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
    assert narrow.low > 0 > wide.low


def test_no_difference_has_an_interval_around_nothing() -> None:
    same = over_rows_and_seeds(np.zeros((3, 50)), 0, differences=True)
    assert same.mean == 0
    assert same.low < 0 < same.high
    assert same.p_value > 0.5


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Rows and seeds both drawn anew each time: 95 % or more, for the bootstrap over both is on the safe side."""
    rng = np.random.default_rng(2)
    held = 0
    for trial in range(60):
        table = (
            0.1 + rng.normal(0, 0.3, (1, 150)) + rng.normal(0, 0.05, (5, 1)) + rng.normal(0, 0.3, (5, 150))
        )
        estimate = over_rows_and_seeds(table, trial)
        held += estimate.low <= 0.1 <= estimate.high
    assert held >= 53
