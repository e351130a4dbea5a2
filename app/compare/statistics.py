"""Differences over rows and seeds."""

from __future__ import annotations

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
    if values.ndim != 2 or not values.size:
        raise ValueError(f"values need shape (seeds, rows), both at least 1, not {values.shape}")
    seeds, rows = values.shape
    mean = float(values.mean())
    table = np.hstack([values, np.tile([1.0, -1.0], (seeds, 1))]) if differences else values
    means = np.sort(_resampled_means(table, seed))
    low, high = percentile_interval(means, rows)
    return Estimate(
        mean, min(low, mean), max(high, mean), bootstrap_p_value(means, float(table.mean()), rows)
    )


def _resampled_means(table: Floats, seed: int) -> Floats:
    seeds, rows = table.shape
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(RESAMPLES // CHUNK):
        row_weights = rng.multinomial(rows, np.full(rows, 1 / rows), CHUNK) / rows
        seed_weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), CHUNK) / seeds
        means.append(np.einsum("bs,bs->b", seed_weights, row_weights @ table.T))
    return np.concatenate(means)
