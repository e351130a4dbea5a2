"""The files of a round as types: what one node writes, and another node, the report or the service reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from graphs.schemas import ErrorAnalysis

Conclusion = Literal["improved", "no difference shown", "worse"]


class Comparison(BaseModel):
    """One student against another on the same rows; `graphs.analysis.statistics.PairedComparison` as it is kept."""

    difference: float
    low: float
    high: float
    p_value: float
    method: Literal["mcnemar", "paired bootstrap"]
    fixed: int
    broken: int


class Evaluation(BaseModel):
    """`evaluation.json`: the round's student on the validation rows."""

    metric: str
    n: int
    """Validation rows."""
    validation: float
    """Mean of the metric, 0 to 1."""
    ci95: tuple[float, float]
    failures: int
    """Rows that the student gets wrong."""
    detail: dict[str, Any]
    """The task's own summary, such as the confusion or F1 by field."""


class Analysis(ErrorAnalysis):
    """`analyses/*.json`: why one failure happened, as the analyst sees it."""

    id: str
    """The validation row."""

    def for_teacher(self) -> dict[str, str]:
        """The analysis as a teacher sees it, without the row."""
        return self.model_dump(include={"root_cause", "scenario"})

    @property
    def text(self) -> str:
        """What an analysis is embedded and clustered by."""
        return f"{self.root_cause} {self.scenario}"


class ClusterPoint(BaseModel):
    """One analysis on the map of failures."""

    id: str
    x: float
    y: float
    """Places on the two principal axes of the embeddings."""
    cluster: int
    root_cause: str


class Clusters(BaseModel):
    """`clusters.json`: how the analyses were clustered."""

    k: int
    inertia: dict[int, float]
    """Inertia by number of clusters: the curve whose elbow chose k."""
    silhouette: float | None
    sizes: list[int]
    points: list[ClusterPoint]


class GateDecision(BaseModel):
    """`gate.json`: whether the round's student was promoted, and whether the loop goes on."""

    promoted: bool
    reason: str
    """One sentence."""
    best_before: int | None = None
    """Round of the best student before; None for the baseline."""
    versus_best: Comparison | None = None
    broken: list[str] = []
    """Validation rows that the best student before has right and this one has wrong."""
    fixed: list[str] = []
    """The other way round."""
    stopped: str = ""
    """Why the loop ends here; empty where it goes on."""


class PatternAccount(BaseModel):
    """`accounts.json`, by pattern id: how a pattern's failures fared with the student that was trained on its rows."""

    fixed: int
    unmoved: int
    regressed: int
    matched: str | None
    """The pattern of the round before that it continues."""

    @property
    def kept(self) -> int:
        """Failures that are still wrong."""
        return self.unmoved + self.regressed


Outcome = Literal["fixed", "unmoved", "regressed"]
"""What became of one failure: right now; wrong with the same score or a better one; wrong with a lower score."""


class SealedScores(Comparison):
    """`final/test.json`: the baseline and the best student on the sealed test rows."""

    metric: str
    n: int
    """Test rows."""
    baseline: float
    best: float
    verdict: Conclusion
    best_round: int
    detail: dict[str, Any]
