"""Close the round's rows: check the batches against one another, choose where there are more than are kept, and add what is
accepted to the training set."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.context import Context
from graphs.nodes.select_hardest import select
from graphs.state import LoopState
from graphs.workspace import Workspace


async def accept(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Merge the batches in the order of the plan, so that the result does not depend on which came back first."""
    here = workspace.round(state.round)
    batches = here.batches() if state.batches else []
    candidates = [row for batch in batches for row in here.batch_rows(batch.id)]
    corpus = await workspace.corpus(state.round)
    passed = [candidate for candidate in candidates if candidate.verdict == "accepted"]
    for candidate, finding in zip(passed, await corpus.admit(passed), strict=True):
        if finding:
            candidate.verdict, candidate.reason, candidate.evidence = (
                finding.check,
                finding.reason,
                finding.evidence,
            )
    if runtime.context.loop.oversample > 1:
        passed = [candidate for candidate in passed if candidate.verdict == "accepted"]
        kept = await select(passed, state.round, runtime.context, workspace)
        for candidate in passed:
            if candidate.id not in kept:
                candidate.verdict = "surplus"
                candidate.reason = (
                    "More rows were written than the round keeps; others were harder for the student."
                )
        workspace.forget_corpus()
    return {"accepted": state.accepted + here.close(candidates)}
