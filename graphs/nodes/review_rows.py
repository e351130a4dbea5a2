"""Let a person look at the round's rows before the student is trained on them."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.nodes.review import ask
from graphs.review import Question
from graphs.state import LoopState
from graphs.workspace import Workspace


async def review_rows(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Wait for an answer when `loop.review` asks about rows, and accept and reject as it says.

    The question holds counts alone: the rows are in the round's `rows.jsonl`. Decisions start from the checks' verdicts,
    so that the node gives the same rows however often it runs.
    """
    if not runtime.context.loop.asks_about("rows"):
        return {}
    here = workspace.round(state.round)
    # as the checks left them, whatever an earlier start of this node has made of them
    checked = [row.as_checked() for row in here.rows()]
    if not checked:
        return {}
    accepted = sum(candidate.verdict == "accepted" for candidate in checked)
    counts = {"accepted": accepted, "rejected": len(checked) - accepted}
    verdicts = {candidate.id: candidate.verdict for candidate in checked}
    answer = ask(Question("rows", state.round, rows=verdicts), counts)
    left = here.close(answer.decide(checked))
    workspace.forget_corpus()
    return {"accepted": state.accepted - accepted + left}
