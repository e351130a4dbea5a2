"""The patterns and the answers of a round as flat rows: for data frames and for agents."""

from __future__ import annotations

from collections import Counter
from typing import Any

from graphs.artifacts import PatternAccount
from graphs.rounds import Round
from graphs.rows import Pattern
from graphs.run_paths import RunPaths
from trainer.artifacts import read_models
from trainer.records import Example

PATTERN = (
    "id", "round", "name", "description", "strategy", "instructions", "size", "accepted", "rejected", "fixed", "unmoved",
    "regressed", "continues", "failures",
)  # fmt: skip
"""Columns of a pattern."""
ANSWER = ("id", "prompt", "expected", "predicted", "correct", "score", "explanation", "truncated")
"""Columns of an answer."""


def pattern_table(paths: RunPaths, number: int) -> list[dict[str, Any]]:
    """The patterns that guide a round, each with its strategy, its rows and its outcome.

    `accepted` and `rejected` are None before the round's rows are written, `fixed`, `unmoved`, `regressed` and `continues`
    (the pattern of the round before) before its student is judged.
    """
    here = Round(paths, number)
    written = Counter((row.pattern, row.verdict == "accepted") for row in here.rows())
    accounts = here.accounts()
    return [
        {
            **pattern.model_dump(include={"id", "round", "name", "description", "failures"}),
            **_strategy(here, pattern),
            "size": len(pattern.failures),
            "accepted": written[name, True] if written else None,
            "rejected": written[name, False] if written else None,
            **_outcome(accounts.get(name)),
        }
        for name, pattern in here.patterns().items()
    ]


def _strategy(here: Round, pattern: Pattern) -> dict[str, str | None]:
    """Empty before it is drafted."""
    if not (here.paths.strategies / f"{pattern.id}.json").exists():
        return {"strategy": None, "instructions": None}
    strategy = here.strategy(pattern.id)
    return {"strategy": strategy.title, "instructions": strategy.instructions}


def _outcome(account: PatternAccount | None) -> dict[str, Any]:
    if account is None:
        return dict.fromkeys(("fixed", "unmoved", "regressed", "continues"))
    return {**account.model_dump(include={"fixed", "unmoved", "regressed"}), "continues": account.matched}


def answer_table(paths: RunPaths, number: int) -> list[dict[str, Any]]:
    """The answers of a round's student to the validation rows, with their scores; empty before they are scored."""
    here = Round(paths, number)
    scores = {score.id: score for score in here.scores("validation")}
    rows = {row.id: row for row in read_models(Example, paths.data("validation"))} if scores else {}
    return [
        {
            "id": answer.id,
            "prompt": rows[answer.id].prompt,
            "expected": rows[answer.id].completion,
            "predicted": answer.text,
            "correct": scores[answer.id].correct,
            "score": scores[answer.id].value,
            "explanation": scores[answer.id].explanation,
            "truncated": answer.truncated,
        }
        for answer in here.predictions("validation")
        if answer.id in scores
    ]
