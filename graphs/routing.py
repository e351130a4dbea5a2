"""Where the graph goes next: pure functions of the state."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Send

from graphs.state import BRANCHES, AugmentState, LoopState


def after_gate(state: LoopState) -> list[Send] | Literal["finish", "allocate"]:
    """Branches for the failures to analyse; `allocate` if there are none; `finish` if the loop has stopped."""
    if state.stopped:
        return "finish"
    if not state.failures:
        return "allocate"
    return branches("analyze_errors", state.failures, state.round)


def after_patterns(state: LoopState) -> list[Send]:
    """One branch for each pattern."""
    return [
        Send("draft_strategies", {"pattern": pattern, "round": state.round}) for pattern in state.patterns
    ]


def after_allocate(state: LoopState) -> list[Send] | Literal["accept"]:
    """Branches for the batches of new rows."""
    if not state.batches:
        return "accept"
    return branches("augment", state.batches, state.round)


def branches(node: str, items: int, round_number: int) -> list[Send]:
    """One branch per item of a round, at most `BRANCHES`."""
    return [Send(node, {"round": round_number, "number": first}) for first in range(min(items, BRANCHES))]


def after_quality(state: AugmentState) -> Literal["generate", "__end__"]:
    """Back to the writer if the batch needs another attempt or the branch has another batch."""
    return "generate" if state.feedback or state.attempt == 0 else "__end__"
