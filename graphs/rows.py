"""A generated row and everything that happened to it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel

from graphs.methods import Origin
from graphs.schemas import AugmentationStrategy, FailurePattern
from trainer.records import Message

Verdict = Literal[
    "accepted",
    "schema",
    "empty",
    "invalid",
    "duplicate",
    "leak",
    "disputed",
    "judge",
    "attempts",
    "surplus",
    "unanswered",
    "reviewer",
    "waiting",
]
"""Which check decided: `accepted`, or the one that rejected the row.

- `schema`: it is not a prompt and a completion.
- `empty`: the prompt or the completion has no text of its own.
- `invalid`: the task's own check rejected it.
- `duplicate`: an exact or near duplicate of a row of its batch, of train, or of the accepted rows.
- `leak`: too close to a validation or test row.
- `disputed`: asked without seeing its answer, the judge gave another one.
- `judge`: the judge rejected it, or scored its batch under the threshold without naming rows.
- `attempts`: its batch was still under the threshold at the last attempt.
- `surplus`: sound, but there were more rows than asked for.
- `unanswered`: the judge could not answer about its batch.
- `reviewer`: a person rejected it.
- `waiting`: a person added it, and no round has taken it.
"""


class Decision(BaseModel):
    """A verdict and why."""

    verdict: Verdict
    reason: str


class NewRow(BaseModel):
    """One row that the teacher wrote or a person added, with its verdict. Every row is kept, and each has exactly one verdict."""

    id: str
    prompt: str
    completion: str
    messages: list[Message] | None = None
    """The turns before the completion, where something stands before the prompt: see `graphs.checks.openings`."""
    round: int
    batch: str
    origin: Origin
    pattern: str | None = None
    """Id of the pattern (and of its strategy) that it was written for."""
    case: str | None = None
    """Id of the validation failure, one of the pattern's, for whose analysis it was written. The writer never sees that row."""
    source: str | None = None
    """Id of the training row that the student got wrong, or that the row rewords, or of the unlabelled row that it answers."""
    attempt: int
    """The attempt of its batch, from 1."""
    verdict: Verdict
    reason: str
    evidence: dict[str, Any] | None = None
    """For duplicates and leaks: the matching row's id, split and text, and the similarity."""
    judge: dict[str, int] | None = None
    """`adherence`, `utility`, `relevance` of its batch, 1 to 10; None when a free check decided."""
    overruled: Decision | None = None
    """The checks' decision, if a reviewer changed it."""

    def overrule(self, verdict: Verdict, reason: str) -> Self:
        """The row with a reviewer's verdict. The checks' decision is kept in `overruled`."""
        checked = Decision(verdict=self.verdict, reason=self.reason)
        return self.model_copy(update={"verdict": verdict, "reason": reason, "overruled": checked})

    def as_checked(self) -> Self:
        """The row with the checks' decision, without any review."""
        if self.overruled is None:
            return self
        return self.model_copy(update={**self.overruled.model_dump(), "overruled": None})

    def training_row(self) -> dict[str, Any]:
        """The row as the trainer reads it, with its origin."""
        return self.model_dump(
            include={
                "id",
                "prompt",
                "completion",
                "messages",
                "round",
                "batch",
                "origin",
                "pattern",
                "case",
                "source",
            },
            exclude_none=True,
        )


class Batch(BaseModel):
    """Rows to ask for in one call."""

    id: str
    """`r<round>-b<number>`. It is part of the request, so that no two batches send the same request."""
    round: int
    origin: Origin
    count: int
    pattern: str | None = None
    case: str | None = None
    """Id of the failure of the pattern that it is written for; None for the pattern as a whole."""
    source: str | None = None
    """Id of the training row, or of the person's row that is the batch: nothing is asked for then."""
    prompts: list[str] = []
    """Ids of the unlabelled rows that the teacher answers; it then writes no prompts."""


class Pattern(FailurePattern):
    """A failure pattern of one round."""

    id: str
    """`r<round>-p<cluster>`."""
    round: int
    """The round whose rows it guides. Its failures are those of the student before that round."""
    failures: list[str]
    """Ids of the validation rows in its cluster."""
    centroid: list[float]
    """Mean of its analyses' embeddings."""


class Strategy(AugmentationStrategy):
    """The strategy for one pattern."""

    pattern: str
