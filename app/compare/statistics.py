"""Differences over rows and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphs.analysis.statistics import RESAMPLES, bootstrap_p_value, percentile_interval

Floats = NDArray[np.float64]
CHUNK = 1_000
"""Resamples drawn at once. With 10,000 rows they take about 80 MB."""


@dataclass(frozen=True)
class Estimate:
    """A mean over rows and seeds."""

    mean: float
    low: float
    high: float
    """95 % interval."""
    p_value: float
    """Two-sided, of the mean being 0."""


def over_rows_and_seeds(values: Floats, seed: int, *, differences: bool = False) -> Estimate:
    """Mean of a table of values, with an interval that accounts for the choice of rows and of seeds.

    Seeds and rows are resampled independently of each other: the pigeonhole bootstrap (Owen 2007, Annals of
    Applied Statistics 1:386). Its intervals tend to be too wide rather than too narrow. With one seed, only
    rows are resampled. With few seeds, little is known of how seeds vary, and the interval is mostly about rows.

    Args:
        values: shape (seeds, test rows).
        differences: the values are differences of two metrics that are 0 or 1. One row of each sign is then
            added before resampling, as in `graphs.analysis.statistics.paired`.

    Raises:
        ValueError: the table is empty.
    """
    return over_tasks([values], seed, differences=[differences])


def over_tasks(tables: Sequence[Floats], seed: int, *, differences: Sequence[bool]) -> Estimate:
    """The mean over tasks, all of equal weight, of each task's mean, with an interval over rows and seeds.

    The tasks are taken as they are: the interval is about these tasks, and not about others like them.

    Args:
        tables, differences: of each task, as for `over_rows_and_seeds`.

    Raises:
        ValueError: there is no table, or one is empty.
    """
    for values in tables:
        if values.ndim != 2 or not values.size:
            raise ValueError(f"values need shape (seeds, rows), both at least 1, not {values.shape}")
    rng = np.random.default_rng(seed)
    resampled = [
        with_both_signs(values) if signed else values
        for values, signed in zip(tables, differences, strict=True)
    ]
    means = np.sort(np.mean([_resampled_means(table, rng) for table in resampled], axis=0))
    rows = sum(values.shape[1] for values in tables)
    mean = float(np.mean([values.mean() for values in tables]))
    low, high = percentile_interval(means, rows)
    centre = float(np.mean([table.mean() for table in resampled]))
    return Estimate(mean, min(low, mean), max(high, mean), bootstrap_p_value(means, centre, rows))


def with_both_signs(values: Floats) -> Floats:
    """The table with one row more of each sign."""
    return np.hstack([values, np.tile([1.0, -1.0], (len(values), 1))])


def _resampled_means(table: Floats, rng: np.random.Generator) -> Floats:
    seeds, rows = table.shape
    means = []
    for _ in range(RESAMPLES // CHUNK):
        row_weights = rng.multinomial(rows, np.full(rows, 1 / rows), CHUNK) / rows
        seed_weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), CHUNK) / seeds
        means.append(np.einsum("bs,bs->b", seed_weights, row_weights @ table.T))
    return np.concatenate(means)
