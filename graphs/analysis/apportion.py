"""Whole numbers in proportion to weights."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from fractions import Fraction
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def apportion(total: int, weights: Mapping[Name, float]) -> dict[Name, int]:
    """Split `total` in proportion to the weights by largest remainders (Hamilton's method). The first wins a tie.

    Args:
        weights: not negative, and not all 0.
    """
    exact = {name: Fraction(weight) for name, weight in weights.items()}
    whole = sum(exact.values())
    exact = {name: total * weight / whole for name, weight in exact.items()}
    shares = {name: math.floor(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: exact[name] - shares[name], reverse=True)
    for name in by_remainder[: total - sum(shares.values())]:
        shares[name] += 1
    return shares
