"""Statistics against scipy, published values, and coverage by simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from graphs.analysis.statistics import holm, mcnemar, mean_interval, minimal_detectable_effect, paired, wilson


def students(both: int, broken: int, fixed: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Right/wrong of two students with these counts."""
    a = np.repeat([1.0, 1.0, 0.0, 0.0], [both, broken, fixed, neither])
    b = np.repeat([1.0, 0.0, 1.0, 0.0], [both, broken, fixed, neither])
    return a, b


@pytest.mark.parametrize(("fixed", "broken"), [(10, 2), (2, 10), (6, 0), (5, 5), (1, 0), (59, 6)])
def test_mcnemar_is_the_exact_binomial_test(fixed: int, broken: int) -> None:
    assert mcnemar(fixed, broken) == pytest.approx(stats.binomtest(fixed, fixed + broken, 0.5).pvalue)


def test_mcnemar_by_hand() -> None:
    assert mcnemar(5, 0) == pytest.approx(2 / 32)
    assert mcnemar(3, 1) == pytest.approx(2 * (1 + 4) / 16)
    assert mcnemar(0, 0) == 1.0


def test_paired_counts_what_changed() -> None:
    a, b = students(100, 3, 17, 80)
    result = paired(a, b, a, b, seed=0)
    assert (result.method, result.fixed, result.broken) == ("mcnemar", 17, 3)
    assert result.difference == pytest.approx(0.07)
    assert result.p_value == pytest.approx(stats.binomtest(17, 20, 0.5).pvalue)
    assert result.low < 0.07 < result.high


def test_interval_of_right_and_wrong_agrees_with_bonett_and_price() -> None:
    a, b = students(100, 10, 30, 60)
    result = paired(a, b, a, b, seed=0)
    fixed, broken = 31 / 202, 11 / 202
    half = 1.96 * math.sqrt((fixed + broken - (fixed - broken) ** 2) / 202)
    assert result.low == pytest.approx(fixed - broken - half, abs=0.006)
    assert result.high == pytest.approx(fixed - broken + half, abs=0.006)


@pytest.mark.parametrize(("fixed", "significant"), [(4, False), (5, False), (6, True), (8, True)])
def test_interval_and_p_value_tell_the_same_when_few_rows_differ(fixed: int, significant: bool) -> None:
    a, b = students(120, 0, fixed, 80 - fixed)
    result = paired(a, b, a, b, seed=1)
    assert (result.low > 0) == significant == (result.p_value < 0.05)


def test_swapping_the_students_turns_the_sign() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(60), rng.random(60)
    right = np.ones(60, dtype=bool)
    forth, back = paired(a, b, right, right, seed=3), paired(b, a, right, right, seed=3)
    assert forth.method == "paired bootstrap"
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
    assert forth.p_value == back.p_value


def test_bootstrap_agrees_with_the_t_test_on_normal_differences() -> None:
    rng = np.random.default_rng(1)
    a = rng.uniform(0.3, 0.5, 100)
    b = a + rng.normal(0.02, 0.1, 100)
    right = np.ones(100, dtype=bool)
    result = paired(a, b, right, right, seed=0)
    reference = stats.ttest_rel(b, a)
    low, high = reference.confidence_interval()
    assert result.p_value == pytest.approx(reference.pvalue, abs=0.03)
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.003)


def test_identical_students_show_nothing() -> None:
    a, _ = students(50, 0, 0, 50)
    right_or_wrong = paired(a, a, a, a, seed=0)
    graded = paired(a * 0.5, a * 0.5, a, a, seed=0)
    assert right_or_wrong.difference == graded.difference == 0
    assert right_or_wrong.p_value == graded.p_value == 1
    assert right_or_wrong.low < 0 < right_or_wrong.high
    assert graded.low == graded.high == 0


def test_one_row_shows_nothing() -> None:
    for a, b in ([0.0], [1.0]), ([0.2], [0.9]):
        result = paired(a, b, [False], [True], seed=0)
        assert result.p_value == 1
        assert result.low <= 0 <= result.high


def test_two_equal_gains_are_no_proof() -> None:
    assert paired([0.1, 0.2], [0.3, 0.4], [False] * 2, [True] * 2, seed=0).p_value >= 0.5


def test_the_seed_decides() -> None:
    values = np.random.default_rng(0).random(40)
    assert mean_interval(values, seed=5) == mean_interval(values, seed=5) != mean_interval(values, seed=6)


@pytest.mark.parametrize("rows", [[], [[0.0]]])
def test_paired_refuses_what_is_not_rows(rows: list[Any]) -> None:
    with pytest.raises(ValueError, match="same rows"):
        paired(rows, rows, rows, rows, seed=0)


def test_wilson_as_scipy_has_it() -> None:
    for successes, n in ((0, 10), (1, 29), (15, 148), (81, 263), (7, 7)):
        reference = stats.binomtest(successes, n).proportion_ci(method="wilson")
        assert wilson(successes, n) == pytest.approx((reference.low, reference.high))


def test_wilson_as_published() -> None:
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    for (successes, n), published in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert mean_interval([1.0] * successes + [0.0] * (n - successes), seed=0) == pytest.approx(
            published, abs=5e-5
        )


def test_mean_interval_of_degenerate_values() -> None:
    assert mean_interval([0.4], seed=0) == (0, 1)
    assert mean_interval([0.4, 0.4, 0.4], seed=0) == pytest.approx((0.4, 0.4))
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([], seed=0)


@pytest.mark.parametrize(("n", "discordant"), [(30, 0.2), (80, 0.05), (80, 0.3)])
def test_coverage_for_right_and_wrong(n: int, discordant: float) -> None:
    rng = np.random.default_rng(n)
    fixed, broken = discordant * 0.7, discordant * 0.3
    inside = 0
    for trial in range(300):
        counts = rng.multinomial(n, [0.5 - broken, broken, fixed, 0.5 - fixed])
        a, b = students(*counts)
        result = paired(a, b, a, b, seed=trial)
        inside += result.low <= fixed - broken <= result.high
    # 0.95 less three standard errors of 300 trials
    assert inside / 300 >= 0.912


def test_coverage_of_a_mean_of_graded_values() -> None:
    rng = np.random.default_rng(7)
    inside = 0
    for trial in range(300):
        low, high = mean_interval(rng.beta(2, 2, size=20), seed=trial)
        inside += low <= 0.5 <= high
    assert 0.912 <= inside / 300 <= 0.988


def test_p_values_are_uniform_when_nothing_differs() -> None:
    rng = np.random.default_rng(11)
    right = np.ones(40, dtype=bool)
    values = [paired(rng.random(40), rng.random(40), right, right, seed=i).p_value for i in range(300)]
    assert np.mean(np.array(values) < 0.05) <= 0.09
    assert 0.42 <= np.mean(np.array(values) < 0.5) <= 0.58


def test_minimal_detectable_effect_by_hand() -> None:
    """n d^2 = (1.95996 sqrt(s) + 0.84162 sqrt(s - d^2))^2 with s = 0.2, d = 0.1 gives n = 154.6."""
    effect = minimal_detectable_effect(155)
    assert effect.value == pytest.approx(0.0999, abs=2e-4)
    assert (effect.n, effect.power) == (155, 0.8)
    assert "155 rows" in effect.assumption
    assert "20 %" in effect.assumption


def test_the_stated_power_is_reached() -> None:
    n, discordant = 400, 0.2
    effect = minimal_detectable_effect(n, discordant=discordant).value
    rng = np.random.default_rng(0)
    fixed, broken = (discordant + effect) / 2, (discordant - effect) / 2
    counts = rng.multinomial(n, [fixed, broken, 1 - discordant], size=4000)
    z = (counts[:, 0] - counts[:, 1]) / np.sqrt(counts[:, 0] + counts[:, 1])
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.025)


def test_few_rows_need_a_larger_effect_than_the_assumed_share() -> None:
    sizes = [2, 10, 30, 100, 1000]
    values = [minimal_detectable_effect(n).value for n in sizes]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0
    assert values[1] > 0.2
    with pytest.raises(ValueError, match="positive"):
        minimal_detectable_effect(0)


def test_holm_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 lifted to 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
