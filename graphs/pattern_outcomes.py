"""What each pattern's rows did to its failures, and what that says about where to put the next rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import beta

from graphs.rows import Pattern
from graphs.workspace import Workspace
from trainer.artifacts import read_json, write_json

SAME_PATTERN = 0.7
"""Cosine of two centroids from which a pattern counts as the continuation of one of the round before."""

OPTIMISM = 0.8
"""Quantile of a pattern's fix rate that allocation goes by: what is little known is tried (explore), what improved is
repeated (exploit); an upper confidence bound as in Kaufmann et al. 2012, Bayes-UCB."""


def record_outcomes(workspace: Workspace, number: int) -> None:
    """Write the round's accounts: pattern id -> how its failures fared with the student trained on its rows."""
    before = {score.id: score for score in workspace.scores(number - 1, "validation")}
    after = {score.id: score for score in workspace.scores(number, "validation")}
    accounts: dict[str, dict[str, Any]] = {}
    for name, pattern in workspace.patterns(number).items():
        fixed = [i for i in pattern.failures if after[i].correct]
        wrong = [i for i in pattern.failures if not after[i].correct]
        regressed = [i for i in wrong if after[i].value < before[i].value]
        accounts[name] = {
            "fixed": len(fixed),
            "unmoved": len(wrong) - len(regressed),
            "regressed": len(regressed),
            "matched": continued(pattern, workspace.patterns(number - 1)),
        }
    write_json(workspace.paths.round(number).accounts, accounts)


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
    patterns, earlier = workspace.patterns(number), workspace.patterns(number - 1)
    accounts = read_json(workspace.paths.round(number - 1).accounts) if earlier else {}
    return {
        name: len(patterns[name].failures) * fix_rate(accounts.get(continued(patterns[name], earlier)))
        for name in names
    }


def fix_rate(account: dict[str, Any] | None) -> float:
    """Upper quantile of the fix rate under a uniform prior; 0.8 where nothing is known."""
    fixed, kept = (account["fixed"], account["unmoved"] + account["regressed"]) if account else (0, 0)
    return float(beta.ppf(OPTIMISM, 1 + fixed, 1 + kept))
