"""Close the round: check its batches against each other, keep as many rows as asked for, and add them to the training set."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.nodes.select_rows import select
from graphs.state import LoopState
from graphs.workspace import Workspace


async def accept(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Merge the batches in the order of the plan. The result does not depend on which batch came back first.

    Unlabelled rows were chosen before they were answered, so all that pass are kept. The choice is among the others.
    People's rows come first: of two that are alike, theirs is kept. They are no part of the round's number of rows.
    """
    current = workspace.round(state.round)
    batches = sorted(current.batches() if state.batches else [], key=lambda batch: batch.origin != "person")
    rows = [row for batch in batches for row in current.batch_rows(batch.id)]
    corpus = await workspace.corpus(state.round)
    passed = [row for row in rows if row.verdict == "accepted"]
    for row, result in zip(passed, await corpus.admit(passed), strict=True):
        if result:
            row.verdict, row.reason, row.evidence = result.check, result.reason, result.evidence
    if runtime.context.loop.chooses_rows(workspace.task.self_contained):
        sound = [row for row in passed if row.verdict == "accepted"]
        passed = [row for row in sound if row.origin not in ("unlabeled", "person")]
        places = runtime.context.loop.synthetic_per_round - sum(row.origin == "unlabeled" for row in sound)
        kept = await select(passed, places, current, runtime.context, corpus, workspace)
        for row in passed:
            if row.id not in kept:
                row.verdict = "surplus"
                row.reason = "More rows were written than the round keeps; others teach the student more."
        workspace.forget_corpus()
    return {"accepted": state.accepted + current.close(rows)}
