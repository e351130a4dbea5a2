"""What `compare.json` holds. Scores are fractions of 1, money is US dollars. It is light, because the service imports it."""

from __future__ import annotations

from pydantic import BaseModel

from graphs.artifacts import Conclusion


class Difference(BaseModel):
    """One method against another, on the same test rows with the same seeds."""

    difference: float
    ci95: tuple[float, float]
    """Over rows and seeds (`app.compare.statistics.over_rows_and_seeds`)."""
    p_value: float
    """Holm-corrected over the methods of the comparison."""
    verdict: Conclusion
    """See `corrected_verdict`."""
    mcnemar: list[float]
    """Exact p-value of each seed alone, from rows that are right or wrong. Not corrected."""


class CurvePoint(BaseModel):
    """One round. Its values are means over seeds."""

    round: int
    accepted: float
    """New rows trained on so far."""
    validation: float


class Row(BaseModel):
    """One method."""

    task: str
    method: str
    seeds: list[int]
    accepted: float
    """New rows in all rounds, mean over seeds."""
    trained_on: float
    """New rows that the best student saw, mean over seeds."""
    test_mean: float
    ci95: tuple[float, float]
    test: list[float]
    """By seed."""
    vs_vanilla: Difference | None
    vs_reference: Difference | None
    """Against `Results.reference`. None for that method itself, and where there is none."""
    gain_per_row: float | None
    """Difference to vanilla per new row. None without new rows, as for the following."""
    gain_per_1k_tokens: float | None
    """Per 1,000 tokens of the teacher, prompts and answers."""
    gain_per_training_second: float | None
    """Per second that the rounds' students were trained; the baseline is not counted."""
    gain_per_usd: float | None
    calls: int
    """Sum over all seeds, like `tokens` and `usd`."""
    tokens: int
    usd: float
    failures_fixed: float | None
    """Share of the patterns' failures that were right after their round. None without patterns."""
    curve: list[CurvePoint]
    stopped: list[str]
    """Why each seed's run ended."""


class Results(BaseModel):
    """The whole comparison."""

    metric: str
    test_rows: int
    training: str
    """The training policy in words, from `training`."""
    reference: str | None
    """The method that all others are compared with, beside vanilla."""
    rows: list[Row]
