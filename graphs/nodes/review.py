"""Let a person look at patterns and strategies before rows are paid for."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graphs.context import Context
from graphs.state import LoopState
from graphs.workspace import Workspace


async def review(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Wait for `{"veto": [pattern id, ...]}` when `loop.review` is on; an empty answer approves everything.

    The node runs again from its start when the answer comes, so it does nothing before the interrupt. An answer that
    names no pattern is asked for again: the checkpoint keeps it, so to fail on it would be to fail for ever.
    """
    if not runtime.context.loop.review:
        return {}
    question = {"round": state.round, "patterns": [shown(state, name, workspace) for name in state.patterns]}
    vetoed = set(interrupt(question).get("veto", []))
    while unknown := vetoed - set(state.patterns):
        error = f"No such pattern: {', '.join(sorted(unknown))}; there are {', '.join(state.patterns)}."
        vetoed = set(interrupt(question | {"error": error}).get("veto", []))
    return {"patterns": [name for name in state.patterns if name not in vetoed]}


def shown(state: LoopState, name: str, workspace: Workspace) -> dict[str, Any]:
    """One pattern with its strategy, as the reviewer sees it."""
    pattern, strategy = workspace.patterns(state.round)[name], workspace.strategy(state.round, name)
    return {
        "id": name,
        "name": pattern.name,
        "description": pattern.description,
        "failures": len(pattern.failures),
        "title": strategy.title,
        "instructions": strategy.instructions,
    }
