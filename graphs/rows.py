"""A generated row and everything that happened to it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel

from graphs.methods import Origin
from graphs.schemas import AugmentationStrategy, FailurePattern

Verdict = Literal[
    "accepted", "schema", "empty", "invalid", "duplicate", "leak", "judge", "attempts", "surplus", "reviewer"
]
"""Which check decided: `accepted`, or the one that rejected the row.

`schema` not a prompt and a completion; `empty`; `invalid` the task's own check; `duplicate` exact or near, of the batch,
train or an accepted row; `leak` too close to a validation or test row; `judge` rejected by index; `attempts` its batch stayed
under the threshold to the last attempt; `surplus` sound, but its batch already had all the rows that it was asked for; `reviewer` a person left it out.
"""


class Decision(BaseModel):
    """A verdict and why."""

    verdict: Verdict
    reason: str


class NewRow(BaseModel):
    """One row that the teacher wrote, with its verdict. Nothing disappears: each has exactly one."""

    id: str
    prompt: str
    completion: str
    round: int
    batch: str
    origin: Origin
    pattern: str | None = None
    """Id of the pattern (and of its strategy) that it was written for."""
    source: str | None = None
    """Id of the training row whose error it corrects, or that it says in other words."""
    attempt: int
    """1 for the first time that its batch was asked for."""
    verdict: Verdict
    reason: str
    evidence: dict[str, Any] | None = None
    """For duplicates and leaks: the matching row's id, split and text, and the similarity."""
    judge: dict[str, int] | None = None
    """`adherence`, `utility`, `relevance` of its batch, 1 to 10; None when a free check decided."""
    overruled: Decision | None = None
    """What the checks had said of it, where a reviewer said otherwise."""

    def overrule(self, verdict: Verdict, reason: str) -> Self:
        """The row with a reviewer's verdict; that of the checks is kept beside it."""
        checked = Decision(verdict=self.verdict, reason=self.reason)
        return self.model_copy(update={"verdict": verdict, "reason": reason, "overruled": checked})

    def as_checked(self) -> Self:
        """The row as the checks left it, whatever a reviewer has said since."""
        if self.overruled is None:
            return self
        return self.model_copy(update={**self.overruled.model_dump(), "overruled": None})

    def training_row(self) -> dict[str, Any]:
        """The row as the trainer reads it; where it comes from stays with it."""
        return self.model_dump(
            include={"id", "prompt", "completion", "round", "batch", "origin", "pattern", "source"},
            exclude_none=True,
        )


class Batch(BaseModel):
    """Rows to be asked for together."""

    id: str
    """`r<round>-b<number>`; part of the request, so that no two batches are the same request."""
    round: int
    origin: Origin
    count: int
    pattern: str | None = None
    source: str | None = None


class Pattern(FailurePattern):
    """A failure pattern with its place in the run."""

    id: str
    """`r<round>-p<cluster>`."""
    round: int
    """The round whose rows it guides; its failures are those of the student before."""
    failures: list[str]
    """Ids of the validation rows in its cluster."""
    centroid: list[float]
    """Mean of its analyses' embeddings."""


class Strategy(AugmentationStrategy):
    """What is written for one pattern."""

    pattern: str
