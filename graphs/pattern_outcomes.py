"""How each pattern's failures fared after its rows were trained on, and the weights of the next round's patterns."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy.stats import beta

from graphs.artifacts import PatternAccount
from graphs.rounds import Round, failure_outcomes
from graphs.rows import Pattern

SAME_PATTERN = 0.7
"""Cosine of two centroids from which a pattern counts as the continuation of one of the round before."""

OPTIMISM = 0.8
"""Quantile of a pattern's fix rate that allocation uses. It favours patterns of which little is known (explore) and
patterns that improved (exploit): an upper confidence bound as in Kaufmann et al. 2012, Bayes-UCB."""


def record_outcomes(previous: Round, current: Round) -> None:
    """Write the round's accounts: pattern id -> how its failures fared with the student trained on its rows."""
    outcomes = failure_outcomes(previous, current)
    accounts = {}
    for name, pattern in current.patterns().items():
        counts = Counter(outcomes[failure] for failure in pattern.failures)
        accounts[name] = PatternAccount(
            fixed=counts["fixed"],
            unmoved=counts["unmoved"],
            regressed=counts["regressed"],
            matched=continued(pattern, previous.patterns()),
        )
    current.write_accounts(accounts)


def continued(pattern: Pattern, earlier: dict[str, Pattern]) -> str | None:
    """Id of the last round's pattern with the nearest centroid; None if none is near enough."""
    if not earlier:
        return None
    cosines = {name: cosine(pattern.centroid, other.centroid) for name, other in earlier.items()}
    nearest = max(cosines, key=lambda name: cosines[name])
    return nearest if cosines[nearest] >= SAME_PATTERN else None


def cosine(a: list[float], b: list[float]) -> float:
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def expected_fixes(previous: Round, current: Round, names: list[str]) -> dict[str, float]:
    """Weight of each pattern: its size times an optimistic fix rate. In the first round all have the same rate."""
    patterns = current.patterns()
    accounts, earlier = previous.accounts(), previous.patterns()
    return {
        name: len(patterns[name].failures) * fix_rate(accounts.get(continued(patterns[name], earlier) or ""))
        for name in names
    }


def fix_rate(account: PatternAccount | None) -> float:
    """Upper quantile of the fix rate under a uniform prior; 0.8 for a pattern without an account."""
    fixed, kept = (account.fixed, account.kept) if account else (0, 0)
    return float(beta.ppf(OPTIMISM, 1 + fixed, 1 + kept))
