"""What the graph remembers between steps: counts and ids only. Rows, texts and vectors live in the run's folder."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any

from typing_extensions import TypedDict  # from typing, it has no JSON schema before Python 3.12

NODES = (
    "fine_tune",
    "evaluate",
    "gate",
    "analyze_errors",
    "find_patterns",
    "draft_strategies",
    "review",
    "allocate",
    "augment",
    "accept",
    "review_rows",
    "finish",
)
"""Nodes of the loop, in the order in which a round reaches them."""
BRANCHES = 500
"""Most branches of a stage; each takes every 500th item. A checkpoint holds what all branches are given, some 60 bytes each,
and LangGraph's own time for each grows with their number."""


@dataclass(kw_only=True)
class LoopState:
    """The loop's state; a checkpoint of it is a few kilobytes whatever the data."""

    round: int = 0
    """The round whose student is trained; 0 is the student of the given rows alone, the baseline."""

    validation: float = 0.0
    """Score of this round's student on the validation rows, 0 to 1."""

    best_round: int = 0
    """The round of the best student so far."""

    best_validation: float = 0.0
    """Its validation score."""

    stale: int = 0
    """Rounds since the last promotion."""

    failures: int = 0
    """Validation errors to analyse, at most `loop.max_analyses`; their ids are in the round's folder."""

    patterns: list[str] = field(default_factory=list)
    """Ids of the failure patterns that guide this round."""

    batches: int = 0
    """Batches of new rows planned for this round."""

    candidates: Annotated[int, operator.add] = 0
    """Rows written so far, in all rounds, accepted or not."""

    accepted: int = 0
    """Rows accepted so far, in all rounds."""

    stopped: str = ""
    """Why the loop ended; empty while it goes on."""


class LoopInput(TypedDict):
    """A run starts from its configuration alone; everything else has a default."""


class AnalysisInput(TypedDict):
    """One branch of `analyze_errors`. Branches get plain dicts: a checkpoint turns anything else into one."""

    number: int
    """Place of its first error among those to analyse."""
    round: int


class StrategyInput(TypedDict):
    """One branch of `draft_strategies`."""

    pattern: str
    round: int


@dataclass(kw_only=True)
class AugmentState:
    """One batch of new rows on its way through generation and quality control, after it the branch's next one. Never
    checkpointed: a repeated branch takes its answers from the ledger."""

    round: int = 0
    number: int = 0
    """Place of the batch in the round's plan."""

    attempt: int = 0
    """How often the teacher was asked for this batch."""

    samples: list[dict[str, str]] = field(default_factory=list)
    """What the teacher wrote in this attempt: prompt, completion."""

    feedback: str = ""
    """Why samples were sent back; empty at first."""

    previous: list[dict[str, str]] = field(default_factory=list)
    """The samples sent back."""

    judged: list[dict[str, Any]] = field(default_factory=list)
    """Every candidate of all attempts with its verdict (`graphs.rows.NewRow`)."""

    missing: int | None = None
    """Rows still to be written; None before the first attempt."""

    candidates: int = 0
    """Rows written for the branch's batches that are closed, in all attempts."""


@dataclass(kw_only=True)
class AugmentOutput:
    """What a branch tells the loop; its rows are in the run's folder."""

    candidates: int = 0
    """Rows written for its batches, accepted or not."""
