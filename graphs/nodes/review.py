"""Let a person look at patterns and strategies before rows are paid for."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graphs.context import Context
from graphs.review import ReviewAnswer, read_answer
from graphs.state import LoopState
from graphs.workspace import Workspace


async def review(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Wait for an answer (`graphs.review.ReviewAnswer`) when `loop.review` is on, and do what it says.

    The node runs again from its start when the answer comes, so it does nothing before the interrupt. An answer that
    does not fit is asked for again: the checkpoint keeps it, so to fail on it would be to fail for ever.
    """
    if not runtime.context.loop.review:
        return {}
    question = {"round": state.round, "patterns": [shown(state, name, workspace) for name in state.patterns]}
    answer = read_answer(interrupt(question), state.patterns)
    while not isinstance(answer, ReviewAnswer):
        answer = read_answer(interrupt(question | {"error": answer}), state.patterns)
    left = answer.apply(workspace.drafts(state.round))
    workspace.settle_drafts(state.round, left)
    return {"patterns": [name for name in left if name not in answer.veto]}


def shown(state: LoopState, name: str, workspace: Workspace) -> dict[str, Any]:
    """One pattern with its strategy, as the reviewer sees it."""
    pattern, strategy = workspace.drafts(state.round)[name]
    return {
        "id": name,
        "name": pattern.name,
        "description": pattern.description,
        "failures": len(pattern.failures),
        "title": strategy.title,
        "instructions": strategy.instructions,
    }
