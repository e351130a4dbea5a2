"""Where the graph goes next: pure functions of the state."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Send

from graphs.state import AugmentState, LoopState


def after_gate(state: LoopState) -> list[Send] | Literal["finish", "allocate"]:
    """One branch for each error to analyse, or the end."""
    if state.stopped:
        return "finish"
    if not state.failures:
        return "allocate"
    return [Send("analyze_errors", {"failure": failure, "round": state.round}) for failure in state.failures]


def after_patterns(state: LoopState) -> list[Send]:
    """One branch for each pattern."""
    return [
        Send("draft_strategies", {"pattern": pattern, "round": state.round}) for pattern in state.patterns
    ]


def after_allocate(state: LoopState) -> list[Send] | Literal["accept"]:
    """One branch for each batch of new rows."""
    if not state.batches:
        return "accept"
    return [Send("augment", {"round": state.round, "number": number}) for number in range(state.batches)]


def after_quality(state: AugmentState) -> Literal["generate", "__end__"]:
    """Back to the writer while the batch has rows missing and attempts left."""
    return "generate" if state.feedback else "__end__"
