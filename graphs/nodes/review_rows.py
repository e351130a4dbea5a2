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
    """If `loop.review` covers rows, wait for an answer, then accept and reject rows as it says.

    The question has only counts; the rows are in the round's `rows.jsonl`. The answer applies to the checks' verdicts,
    so the node gives the same rows each time it runs.
    """
    if not runtime.context.loop.asks_about("rows"):
        return {}
    current = workspace.round(state.round)
    # an earlier start of this node may have changed the verdicts
    checked = [row.as_checked() for row in current.rows()]
    if not checked:
        return {}
    accepted = sum(row.verdict == "accepted" for row in checked)
    counts = {"accepted": accepted, "rejected": len(checked) - accepted}
    verdicts = {row.id: row.verdict for row in checked}
    answer = ask(Question("rows", state.round, rows=verdicts), counts)
    kept = current.close(answer.decide(checked))
    workspace.forget_corpus()
    return {"accepted": state.accepted - accepted + kept}
