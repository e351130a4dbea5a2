"""Paired comparisons and their intervals: what a gate may conclude from a few hundred rows.

All intervals are two-sided at 95 %. Values are metrics between 0 and 1, one for each row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from graphs.artifacts import Conclusion, MinimalDetectableEffect

ALPHA = 0.05
RESAMPLES = 10_000
Z = float(stats.norm.ppf(1 - ALPHA / 2))
POWER = 0.8
"""Probability that the smallest detectable difference is shown if it is there."""
CHUNK = 2_000_000
"""Maximum indices drawn at once. It bounds the memory of the bootstrap at some tens of megabytes."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedComparison:
    """Student b against student a on the same rows."""

    difference: float
    """Mean of b minus mean of a."""
    low: float
    high: float
    """95 % interval of the difference, paired bootstrap."""
    p_value: float
    method: Literal["mcnemar", "paired bootstrap"]
    """The test that gave the p-value."""
    fixed: int
    """Rows that a has wrong and b has right."""
    broken: int
    """Rows that a has right and b has wrong."""

    @property
    def standard_error(self) -> float:
        """Of the difference, from the width of its interval."""
        return (self.high - self.low) / (2 * Z)


def paired(
    values_a: ArrayLike, values_b: ArrayLike, correct_a: ArrayLike, correct_b: ArrayLike, seed: int
) -> PairedComparison:
    """Compare two students row by row.

    The interval is a percentile bootstrap of the mean difference over rows (10,000 resamples), widened for small
    samples (`percentile_interval`). If all values are 0 or 1, one row of each sign is added before resampling, as
    Bonett and Price (2012, J. Educ. Behav. Stat. 37:479) do for the Wald interval, because the plain bootstrap is far
    too narrow when few rows differ. The p-value is McNemar's exact one for 0/1 values, else that of the paired
    bootstrap.

    Args:
        values_a, values_b: metric of each row, shape (n,), in the same order of rows.
        correct_a, correct_b: whether each row counts as right, shape (n,).

    Raises:
        ValueError: no rows, or shapes that differ.
    """
    a, b, right_a, right_b = _same_rows(values_a, values_b, correct_a, correct_b)
    differences = b - a
    difference = float(differences.mean())
    fixed, broken = int((~right_a & right_b).sum()), int((right_a & ~right_b).sum())
    method: Literal["mcnemar", "paired bootstrap"]
    if _binary(a) and _binary(b):
        method = "mcnemar"
        p_value = mcnemar(int((differences > 0).sum()), int((differences < 0).sum()))
        low, high = percentile_interval(_bootstrap_means(np.append(differences, [1.0, -1.0]), seed), len(a))
    else:
        method = "paired bootstrap"
        means = _bootstrap_means(differences, seed)
        p_value = bootstrap_p_value(means, difference, len(a))
        low, high = percentile_interval(means, len(a)) if len(a) > 1 else (-1.0, 1.0)
    return PairedComparison(
        difference=difference,
        low=min(low, difference),
        high=max(high, difference),
        p_value=p_value,
        method=method,
        fixed=fixed,
        broken=broken,
    )


def conclude(low: float, high: float) -> Conclusion:
    """What the interval of a difference shows. Only an interval that excludes 0 shows a difference."""
    if low > 0:
        return "improved"
    return "worse" if high < 0 else "no difference shown"


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided exact p-value that rows change to right and to wrong equally often (McNemar 1947).

    Under the null hypothesis the smaller count is binomial with probability 1/2.
    """
    if fixed + broken == 0:
        return 1.0
    return min(1.0, 2 * float(stats.binom.cdf(min(fixed, broken), fixed + broken, 0.5)))


def mean_interval(values: ArrayLike, seed: int) -> tuple[float, float]:
    """95 % interval of a mean: Wilson's score interval (1927) for 0/1 values, else a percentile bootstrap.

    For a single row that is neither 0 nor 1 the interval is (0, 1).

    Raises:
        ValueError: no values.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError("an interval needs at least one value")
    if _binary(array):
        return wilson(int(array.sum()), array.size)
    if array.size == 1:
        return 0.0, 1.0
    low, high = percentile_interval(_bootstrap_means(array, seed), array.size)
    return low, high


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4)."""
    share = successes / n
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high


def minimal_detectable_effect(n: int, discordant: float = 0.2) -> MinimalDetectableEffect:
    """The smallest true difference of two paired proportions that n rows show with a probability of `POWER`.

    Solves Connor's sample size for McNemar's test (1987, Biometrics 43:207), two-sided at 5 %, for the difference d:
    n d^2 = (z_alpha sqrt(s) + z_power sqrt(s - d^2))^2, where s is the share of rows on which the students differ. No
    difference can be larger than s. If n rows do not show even that, s is the smallest share that they do show.

    Raises:
        ValueError: n < 1, or discordant outside (0, 1).
    """
    if n < 1 or not 0 < discordant < 1:
        raise ValueError(f"n must be positive, discordant between 0 and 1: {n}, {discordant}")
    z_power = float(stats.norm.ppf(POWER))

    def surplus(difference: float, share: float) -> float:
        needed = Z * math.sqrt(share) + z_power * math.sqrt(max(share - difference**2, 0.0))
        return math.sqrt(n) * difference - needed

    if surplus(discordant, discordant) < 0:
        enough = surplus(1.0, 1.0) >= 0
        value = float(optimize.brentq(lambda s: surplus(s, s), discordant, 1.0)) if enough else 1.0
        discordant = value
    else:
        value = float(optimize.brentq(lambda d: surplus(d, discordant), 0.0, discordant))
    assumption = (
        f"Two-sided McNemar test at 5 % on {n} rows, of which {100 * discordant:.0f} % get another verdict from the "
        f"new student (normal approximation, Connor 1987)."
    )
    return MinimalDetectableEffect(value=value, n=n, power=POWER, assumption=assumption)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for multiple comparisons, in the same order (Holm 1979: step-down, family-wise error)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _same_rows(
    values_a: ArrayLike, values_b: ArrayLike, correct_a: ArrayLike, correct_b: ArrayLike
) -> tuple[Floats, Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = np.asarray(values_a, dtype=np.float64), np.asarray(values_b, dtype=np.float64)
    right_a, right_b = np.asarray(correct_a, dtype=np.bool_), np.asarray(correct_b, dtype=np.bool_)
    if a.ndim != 1 or a.size == 0 or not a.shape == b.shape == right_a.shape == right_b.shape:
        shapes = f"{a.shape}, {b.shape}, {right_a.shape}, {right_b.shape}"
        raise ValueError(
            f"a paired comparison needs the same rows, at least one, from both students: {shapes}"
        )
    return a, b, right_a, right_b


def _binary(values: Floats) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _bootstrap_means(values: Floats, seed: int) -> Floats:
    """Means of resamples of the rows with replacement, shape (RESAMPLES,), sorted."""
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK // values.size)
    sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    means = [values[rng.integers(0, values.size, (size, values.size))].mean(axis=1) for size in sizes]
    return np.sort(np.concatenate(means))


def percentile_interval(means: Floats, n: int) -> tuple[float, float]:
    """The expanded percentile interval (Hesterberg 2015, The American Statistician 69:371, section 5.2).

    The plain percentiles are those of a normal distribution with the variance divided by n. In small samples they are
    too narrow by sqrt((n - 1) / n) z / t, and the tail is moved outwards by that factor.
    """
    tail = ALPHA / 2
    if n > 1:
        tail = float(stats.norm.cdf(stats.t.ppf(tail, n - 1) * math.sqrt(n / (n - 1))))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_p_value(means: Floats, difference: float, n: int) -> float:
    """The share of resamples at least as far from the difference as the difference is from 0.

    See Efron and Tibshirani (1993), ch. 16. The value is never below 2^(1-n), the probability that n fair coins, one for
    each row, all fall on the same side.
    """
    far = np.abs(means - difference) >= abs(difference) - 1e-12
    return float(max((far.sum() + 1) / (means.size + 1), 2.0 ** (1 - n)))
