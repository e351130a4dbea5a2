"""What each pattern's rows did to its failures, and what that says about where to put the next rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy.stats import beta

from graphs.artifacts import PatternAccount
from graphs.rounds import failure_outcomes
from graphs.rows import Pattern
from graphs.workspace import Workspace

SAME_PATTERN = 0.7
"""Cosine of two centroids from which a pattern counts as the continuation of one of the round before."""

OPTIMISM = 0.8
"""Quantile of a pattern's fix rate that allocation goes by: what is little known is tried (explore), what improved is
repeated (exploit); an upper confidence bound as in Kaufmann et al. 2012, Bayes-UCB."""


def record_outcomes(workspace: Workspace, number: int) -> None:
    """Write the round's accounts: pattern id -> how its failures fared with the student trained on its rows."""
    this, earlier = workspace.round(number), workspace.round(number - 1)
    outcomes = failure_outcomes(earlier, this)
    accounts = {}
    for name, pattern in this.patterns().items():
        counts = Counter(outcomes[failure] for failure in pattern.failures)
        accounts[name] = PatternAccount(
            fixed=counts["fixed"],
            unmoved=counts["unmoved"],
            regressed=counts["regressed"],
            matched=continued(pattern, earlier.patterns()),
        )
    this.write_accounts(accounts)


def continued(pattern: Pattern, earlier: dict[str, Pattern]) -> str | None:
    """The pattern of the round before with the nearest centroid, if it is near enough."""
    if not earlier:
        return None
    near = {name: cosine(pattern.centroid, other.centroid) for name, other in earlier.items()}
    best = max(near, key=lambda name: near[name])
    return best if near[best] >= SAME_PATTERN else None


def cosine(a: list[float], b: list[float]) -> float:
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def expected_fixes(workspace: Workspace, number: int, names: list[str]) -> dict[str, float]:
    """Weight of each pattern: its size times an optimistic fix rate, which is the same for all in the first round."""
    patterns, last = workspace.round(number).patterns(), workspace.round(number - 1)
    accounts, earlier = last.accounts(), last.patterns()
    return {
        name: len(patterns[name].failures) * fix_rate(accounts.get(continued(patterns[name], earlier) or ""))
        for name in names
    }


def fix_rate(account: PatternAccount | None) -> float:
    """Upper quantile of the fix rate under a uniform prior; 0.8 where nothing is known."""
    fixed, kept = (account.fixed, account.kept) if account else (0, 0)
    return float(beta.ppf(OPTIMISM, 1 + fixed, 1 + kept))
