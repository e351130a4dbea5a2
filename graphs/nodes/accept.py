"""Close the round: check its batches against each other, keep as many rows as asked for, and add them to the training set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from graphs.checks.corpus import Corpus
from graphs.context import Context
from graphs.nodes.select_rows import select
from graphs.rounds import Round
from graphs.rows import NewRow
from graphs.state import LoopState
from graphs.workspace import Workspace


async def accept(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Merge the batches in the order of the plan. The result does not depend on which batch came back first.

    Unlabelled rows were chosen before they were answered, so all that pass are kept. The choice is among the others.
    People's rows come first: of two that are alike, theirs is kept. They are no part of the round's number of rows.
    """
    context, current = runtime.context, workspace.round(state.round)
    batches = sorted(current.batches() if state.batches else [], key=lambda batch: batch.origin != "person")
    rows = [row for batch in batches for row in current.batch_rows(batch.id)]
    corpus = await workspace.corpus(state.round)
    await compare_batches(accepted(rows), corpus)
    if context.loop.chooses_rows(workspace.task.self_contained):
        await leave_surplus(accepted(rows), current, context, corpus, workspace)
        workspace.forget_corpus()
    return {"accepted": state.accepted + current.close(rows)}


def accepted(rows: Sequence[NewRow]) -> list[NewRow]:
    return [row for row in rows if row.verdict == "accepted"]


async def compare_batches(rows: Sequence[NewRow], corpus: Corpus) -> None:
    """Give a row the verdict of the free checks where they find it too close to one of another batch."""
    for row, result in zip(rows, await corpus.admit(rows), strict=True):
        if result:
            row.verdict, row.reason, row.evidence = result.check, result.reason, result.evidence


async def leave_surplus(
    rows: Sequence[NewRow], current: Round, context: Context, corpus: Corpus, workspace: Workspace
) -> None:
    """Keep as many of the generated rows as the round has places for; the others are surplus."""
    generated = [row for row in rows if row.origin not in ("unlabeled", "person")]
    places = context.loop.synthetic_per_round - sum(row.origin == "unlabeled" for row in rows)
    kept = await select(generated, places, current, context, corpus, workspace)
    for row in generated:
        if row.id not in kept:
            row.verdict = "surplus"
            row.reason = "More rows were written than the round keeps; others teach the student more."
