"""Seeded samples in which every stratum, such as a label, keeps its share."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence


def sample_stratified(strata: Sequence[str], total: int, seed: int) -> list[int]:
    """Indices of `total` items (all, if there are fewer), in order, in proportion to the strata.

    Args:
        strata: the stratum of each item.
        seed: the same seed gives the same sample, on every machine.
    """
    groups = _groups(strata)
    sizes = {stratum: len(group) for stratum, group in groups.items()}
    return _draw(groups, apportion(sizes, min(total, len(strata))), seed)


def sample_per_stratum(strata: Sequence[str], maximum: int, seed: int) -> list[int]:
    """Indices of up to `maximum` items of each stratum, in order."""
    groups = _groups(strata)
    return _draw(groups, {stratum: min(maximum, len(group)) for stratum, group in groups.items()}, seed)


def apportion(sizes: dict[str, int], total: int) -> dict[str, int]:
    """Divide `total` in proportion to the sizes, by largest remainder (Hamilton's method); ties go by name.

    Where `total` allows it, no stratum stays empty: each of the empty ones takes one item from the largest.
    """
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


def _groups(strata: Sequence[str]) -> dict[str, list[int]]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for place, stratum in enumerate(strata):
        groups[stratum].append(place)
    return groups


def _draw(groups: dict[str, list[int]], counts: dict[str, int], seed: int) -> list[int]:
    # one generator for each stratum, so that the size of a stratum does not change the rows of the others
    return sorted(
        place
        for stratum, group in groups.items()
        for place in random.Random(f"{seed}:{stratum}").sample(group, counts[stratum])
    )
