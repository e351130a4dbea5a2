"""Seeded samples in which every stratum, such as a label, keeps its share."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from graphs.analysis.apportion import apportion


def sample_stratified(strata: Sequence[str], total: int, seed: int) -> list[int]:
    """Indices of `total` items (all, if there are fewer), in order, in proportion to the strata.

    Args:
        strata: the stratum of each item.
        seed: the same seed gives the same sample, on every machine.
    """
    groups = _groups(strata)
    sizes = {stratum: len(group) for stratum, group in groups.items()}
    return _draw(groups, spread_over_strata(sizes, min(total, len(strata))), seed)


def sample_per_stratum(strata: Sequence[str], maximum: int, seed: int) -> list[int]:
    """Indices of up to `maximum` items of each stratum, in order."""
    groups = _groups(strata)
    return _draw(groups, {stratum: min(maximum, len(group)) for stratum, group in groups.items()}, seed)


def spread_over_strata(sizes: dict[str, int], total: int) -> dict[str, int]:
    """Share `total` out in proportion to the sizes; ties go by name.

    Where `total` allows it, no stratum goes empty: the largest give one up each.
    """
    counts = apportion(total, {stratum: sizes[stratum] for stratum in sorted(sizes)})
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
