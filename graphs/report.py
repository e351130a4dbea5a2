"""`report.json` as types. Scores are fractions of 1, times are seconds, money is US dollars."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from graphs.artifacts import (
    Clusters,
    Conclusion,
    DataReport,
    MinimalDetectableEffect,
    Outcome,
    SealedAccess,
    TaskBrief,
    TeacherScores,
    Tuning,
    UnansweredCall,
    UnlabeledChoice,
)
from graphs.errors import Wait
from graphs.teacher.cost import Cost, SpendPoint
from graphs.teacher.spec import Price
from trainer.specs import LossPoint


class RowExample(BaseModel):
    """A new row that was accepted."""

    prompt: str
    completion: str


class BrokenExample(BaseModel):
    """A validation row and two replies to it."""

    id: str
    prompt: str
    expected: str
    predicted: str
    """The earlier reply: by the student before for a failure, by the best student before for a broken row."""
    after: str
    """The reply of the round's student."""


class FailureExample(BrokenExample):
    """A failure of a pattern, with its analysis and outcome."""

    root_cause: str
    outcome: Outcome


class VersusBest(BaseModel):
    """The paired comparison with the best student before."""

    difference: float
    low: float
    high: float
    p_value: float


class PatternOutcome(BaseModel):
    """A pattern, the rows written for it, and how its failures fared with the student trained on them."""

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
    """Failures that are right now."""
    unmoved: int
    """Failures that are wrong with the same score as before, or a better one."""
    regressed: int
    """Failures that are wrong with a lower score than before."""
    failures: list[str]
    matched: str | None = None
    """The pattern of the round before that it continues (nearest centroid)."""
    examples: list[RowExample] = []
    """Up to 3 accepted rows."""
    errors: list[FailureExample] = []
    """Up to 3 of its failures."""


class TrainerSummary(BaseModel):
    """How a student was trained: part of the trainer's own report (`trainer.specs.TrainReport`)."""

    rows: int
    steps: int
    samples_per_second: float
    device: str
    dtype: str
    over_long: list[str]
    warnings: list[str]
    out_of_memory: list[str]
    resumed_from: list[int]
    loss: list[LossPoint]
    seconds: dict[str, float]


class UnlabeledRows(UnlabeledChoice):
    """Rows of `data.unlabeled` in a round."""

    accepted: int
    """Of the chosen ones, with the teacher's answers."""


class RoundReport(BaseModel):
    """One student."""

    round: int
    metric: str
    validation: float
    ci95: tuple[float, float]
    promoted: bool
    reason: str
    """Why it was promoted or not, in one sentence."""
    versus_best: VersusBest | None = None
    """None for the baseline."""
    accepted: int
    """Rows accepted in this round."""
    train_rows: int
    patterns: list[PatternOutcome]
    verdicts: dict[str, int]
    """Rows by verdict (`graphs.rows.Verdict`)."""
    unlabeled: UnlabeledRows | None = None
    """None for a round that looked at no unlabelled rows."""
    unanswered: list[UnansweredCall] = []
    """Calls that the teacher could not answer, and without which the round went on."""
    by_people: dict[str, int] = {}
    """Of these, rows that people added, by verdict."""
    accepted_by_reviewer: int = 0
    """Number of accepted rows that the checks had rejected."""
    broken: list[str]
    """Validation rows that the best student before had right and this one has wrong."""
    broken_examples: list[BrokenExample] = []
    """Up to 5 of the broken rows."""
    fixed: list[str]
    """Validation rows that the best student before had wrong and this one has right."""
    detail: dict[str, Any]
    """The task's own summary, such as the confusion or F1 by field."""
    clusters: Clusters | None = None
    """None for a round without patterns."""
    trainer: TrainerSummary


class TestResult(BaseModel):
    """The sealed test: baseline and best student on the same rows, scored once."""

    metric: str
    n: int
    untrained: float | None = None
    """Score of the student before any fine-tuning; None where it was not asked for."""
    baseline: float
    best: float
    difference: float
    ci95: tuple[float, float]
    """95 % interval of the difference, paired bootstrap."""
    p_value: float
    p_method: str
    """`mcnemar` or `paired bootstrap`."""
    verdict: Conclusion
    detail: dict[str, Any] = {}


class RoleReport(BaseModel):
    """Which model played one of the teacher's roles."""

    model: str
    endpoint: str
    """Its address; no key."""
    price: Price | Literal["price unknown"]


def _is_none(value: object) -> bool:
    return value is None


class TeacherReport(BaseModel):
    """The teacher by role. A run without a teacher has no roles, and their keys are left out."""

    analyst: RoleReport | None = Field(None, exclude_if=_is_none)
    generator: RoleReport | None = Field(None, exclude_if=_is_none)
    judge: RoleReport | None = Field(None, exclude_if=_is_none)
    stand_in: bool
    """Whether it was the embedded one, which is no language model."""


class Report(BaseModel):
    """`report.json`: the whole run. `report.html` shows the same."""

    run_id: str
    status: Literal["running", "paused", "finished", "failed"]
    stopped: str
    """Why the loop ended or paused."""
    waiting_for: Wait | None = None
    """For a paused run: what it waits for."""
    method: str
    task: str
    seed: int
    student: str
    accepted: int
    rows_waiting: int = 0
    """Rows that people added and no round has taken."""
    rounds: list[RoundReport]
    baseline: dict[str, float]
    """`validation`: score of round 0. Empty before it is judged."""
    best: dict[str, int | float]
    """`round` and `validation` of the best student so far. Empty before round 0 is judged."""
    test: TestResult | None
    """None until the run has ended."""
    tuning: Tuning | None = None
    """How learning rate and steps were found. None where the config gives them."""
    teacher_scores: TeacherScores | None = None
    """What the teacher itself scores. None where it was not asked for."""
    minimal_detectable_effect: MinimalDetectableEffect
    """What the validation rows can show, stated before the first round."""
    cost: Cost
    spending: list[SpendPoint]
    seconds: dict[str, float]
    """Wall time by stage."""
    data: DataReport
    task_brief: TaskBrief | None = None
    """What teachers are told of the task. None before the first question, and without a teacher."""
    teacher: TeacherReport
    test_access: list[SealedAccess]
    config: dict[str, Any]
    """The run's config with its defaults, as JSON, because other versions of pada have other keys."""
