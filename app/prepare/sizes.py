"""How many rows go to validation and test, by the smallest difference that they can show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from app.prepare.tables import FEWEST, InputError
from graphs.analysis.statistics import minimal_detectable_effect

TEST_EFFECT, VALIDATION_EFFECT = 0.05, 0.07
"""Differences of accuracy that test and validation should show."""
TEST_SHARE, VALIDATION_SHARE = 0.25, 0.2
"""Most that they take of all rows."""


@dataclass(frozen=True)
class Sizes:
    """Rows wanted in each split."""

    train: int
    validation: int
    test: int


def choose_sizes(rows: int, validation: int | None = None, test: int | None = None) -> Sizes:
    """As many test rows as show a difference of 5 points, validation rows for 7, or their share where rows are few.

    Args:
        rows: all there are.
        validation, test: the user's word for them.

    Raises:
        InputError: too few rows are left for training.
    """
    if rows < FEWEST:
        raise InputError(
            f"Only {rows} of the rows can be used; three splits need {FEWEST} at least, and some hundred to learn from."
        )
    if test is None:
        test = max(1, min(rows_to_show(TEST_EFFECT), int(rows * TEST_SHARE)))
    if validation is None:
        validation = max(1, min(rows_to_show(VALIDATION_EFFECT), int(rows * VALIDATION_SHARE)))
    if rows - validation - test < max(1, rows // 10):
        raise InputError(
            f"{validation} validation and {test} test rows leave {max(0, rows - validation - test)} of {rows} to train on. "
            "Ask for fewer."
        )
    return Sizes(rows - validation - test, validation, test)


@cache
def rows_to_show(effect: float) -> int:
    """The fewest rows that show a difference with 80 % power."""
    low, high = 1, 1
    while minimal_detectable_effect(high).value > effect:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if minimal_detectable_effect(middle).value > effect:
            low = middle + 1
        else:
            high = middle
    return high


def shown_by(rows: int) -> float:
    """The smallest difference of accuracy that so many test rows show, as a fraction."""
    return minimal_detectable_effect(rows).value
