"""`report.json` as types. Scores are fractions of 1, times are seconds, money is US dollars."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from graphs.errors import Wait
from graphs.teacher.cost import Cost, SpendPoint


class PatternOutcome(BaseModel):
    """What a pattern's rows did to its failures: those before its round against the student after it."""

    id: str
    name: str
    description: str
    strategy: str
    """Title of the strategy."""
    instructions: str
    size: int
    """Validation failures in its cluster."""
    planned: int
    accepted: int
    rejected: int
    fixed: int
    """Its failures that are right now."""
    unmoved: int
    regressed: int
    """Its failures whose score is lower now."""
    failures: list[str]
    matched: str | None = None
    """The last round's pattern that it continues, by nearest centroid."""
    examples: list[dict[str, Any]] = []
    """Up to 3 accepted rows: prompt, completion."""
    errors: list[dict[str, Any]] = []
    """Up to 3 of its failures: id, prompt, expected, predicted, root_cause, after (the new reply), and `outcome`
    (`fixed`, `unmoved` or `regressed`)."""


class RoundReport(BaseModel):
    """One student."""

    round: int
    metric: str
    validation: float
    ci95: tuple[float, float]
    promoted: bool
    reason: str
    """Why it was promoted or not, in one sentence."""
    versus_best: dict[str, float] | None = None
    """`difference`, `low`, `high`, `p_value` against the best student before; None for the baseline."""
    accepted: int
    """Rows accepted in this round."""
    train_rows: int
    patterns: list[PatternOutcome]
    verdicts: dict[str, int]
    """Rows by verdict (`graphs.rows.Verdict`)."""
    accepted_by_reviewer: int = 0
    """Of the accepted rows, those that the checks had rejected."""
    broken: list[str]
    """Validation rows that the best student before had right and this one has wrong."""
    broken_examples: list[dict[str, Any]] = []
    """Up to 5 of the broken: id, prompt, expected, predicted (by the best before), after (the new reply)."""
    fixed: list[str]
    detail: dict[str, Any]
    """The task's own summary, such as the confusion or F1 by field."""
    clusters: dict[str, Any] | None = None
    """`k`, `inertia` {k: value}, `silhouette`, `sizes`, `points` [{id, x, y, cluster, root_cause}] (two principal axes)."""
    trainer: dict[str, Any]
    """samples_per_second, seconds, device, dtype, over_long, warnings, out_of_memory, loss [{step, loss}]."""


class TestResult(BaseModel):
    """The sealed test: baseline and best student on the same rows, scored once."""

    metric: str
    n: int
    baseline: float
    best: float
    difference: float
    ci95: tuple[float, float]
    """95 % interval of the difference, paired bootstrap."""
    p_value: float
    p_method: str
    """`mcnemar` or `paired bootstrap`."""
    verdict: Literal["improved", "no difference shown", "worse"]
    detail: dict[str, Any] = {}


class Report(BaseModel):
    """The whole run, for machines; `report.html` shows the same."""

    run_id: str
    status: Literal["running", "paused", "finished", "failed"]
    stopped: str
    """Why the loop ended or paused."""
    waiting_for: Wait | None = None
    """For a paused run: a raised `budget`, the `teacher`, a `review`, or the `user` who stopped it."""
    method: str
    task: str
    seed: int
    student: str
    accepted: int
    rounds: list[RoundReport]
    baseline: dict[str, float]
    """`validation`."""
    best: dict[str, int | float]
    """`round`, `validation`."""
    test: TestResult | None
    """None until the run has ended."""
    minimal_detectable_effect: dict[str, Any]
    """`value`, `n`, `power`, `assumption`: stated before the first round."""
    cost: Cost
    spending: list[SpendPoint]
    seconds: dict[str, float]
    """Wall time by stage."""
    data: dict[str, Any]
    """Rows by split, over-long ids, the limits applied."""
    teacher: dict[str, Any]
    """Model and endpoint by role, without keys; `stand_in` true for the embedded one."""
    test_access: list[dict[str, Any]]
    config: dict[str, Any]
