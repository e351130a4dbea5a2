"""The graph's state between steps: counts and ids only. Rows, texts and vectors are in the run's folder."""

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
"""Maximum branches of a stage; each takes every 500th item. A checkpoint holds the input of every branch, about 60 bytes each,
and LangGraph's time per branch grows with the number of branches."""


@dataclass(kw_only=True)
class LoopState:
    """The loop's state. Its checkpoint takes a few kilobytes, independent of the data's size."""

    round: int = 0
    """The round whose student is trained; 0 is the baseline, trained on the given rows alone."""

    validation: float = 0.0
    """Score of this round's student on the validation rows, 0 to 1."""

    best_round: int = 0
    """The round of the best student so far."""

    stale: int = 0
    """Rounds since the last promotion."""

    failures: int = 0
    """Validation failures to analyse, at most `loop.max_analyses`. Their ids are in the round's folder."""

    patterns: list[str] = field(default_factory=list)
    """Ids of the failure patterns that guide this round."""

    batches: int = 0
    """Batches of new rows planned for this round."""

    candidates: Annotated[int, operator.add] = 0
    """Rows written so far, in all rounds, accepted or not."""

    accepted: int = 0
    """Rows accepted so far, in all rounds."""

    stopped: str = ""
    """Why the loop ended; empty before that."""


class LoopInput(TypedDict):
    """A run starts from its configuration alone, so the input has no keys."""


class AnalysisInput(TypedDict):
    """One branch of `analyze_errors`. Branches get plain dicts, because a checkpoint turns anything else into a dict."""

    number: int
    """Index of its first failure among those to analyse."""
    round: int


class StrategyInput(TypedDict):
    """One branch of `draft_strategies`."""

    pattern: str
    round: int


@dataclass(kw_only=True)
class AugmentState:
    """One branch of `augment`: its batches go through generation and quality control one after another.

    The state is never checkpointed. A branch that runs again takes its answers from the ledger.
    """

    round: int = 0
    number: int = 0
    """Index of the batch in the round's plan."""

    attempt: int = 0
    """Number of times that the teacher was asked for this batch."""

    samples: list[dict[str, str]] = field(default_factory=list)
    """The rows of this attempt: `prompt`, `completion`."""

    feedback: str = ""
    """Why rows were sent back; empty at first."""

    previous: list[dict[str, str]] = field(default_factory=list)
    """The rows that were sent back."""

    judged: list[dict[str, Any]] = field(default_factory=list)
    """The rows of all attempts with their verdicts (`graphs.rows.NewRow`)."""

    missing: int | None = None
    """Number of rows still to write; None before the first attempt."""

    candidates: int = 0
    """Number of rows written for the branch's closed batches, in all attempts."""


@dataclass(kw_only=True)
class AugmentOutput:
    """What a branch returns to the loop. Its rows are in the run's folder."""

    candidates: int = 0
    """Rows written for its batches, accepted or not."""
