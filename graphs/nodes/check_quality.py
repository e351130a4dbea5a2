"""Give every row of a batch its verdict. Send the batch back while rows are missing and attempts remain."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from graphs.checks.row_checks import CheckResult
from graphs.context import Context
from graphs.nodes.generate import build_prompt_data, writing
from graphs.rows import Batch, NewRow, Verdict
from graphs.schemas import QualityReport
from graphs.state import BRANCHES, AugmentState
from graphs.workspace import Workspace
from prompts import render

RowText = dict[str, str]
"""`prompt` and `completion` of a new row."""


async def check_quality(
    state: AugmentState, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Run the free checks, then ask the judge about the rows that passed. The last attempt closes the batch."""
    current, loop = workspace.round(state.round), runtime.context.loop
    batch = current.batches()[state.number]
    corpus = await workspace.corpus(batch.round)
    results = await corpus.check(state.samples)
    passed = [index for index, result in enumerate(results) if result is None]
    report = (
        await ask_judge([state.samples[i] for i in passed], batch, runtime.context, workspace)
        if passed
        else None
    )
    last = state.attempt >= loop.max_attempts
    rows = verdicts(state, batch, results, report, loop.qc_threshold, last)
    missing = (state.missing or 0) - sum(row.verdict == "accepted" for row in rows)
    again = missing > 0 and not last
    judged = [*state.judged, *(row.model_dump(mode="json") for row in rows)]
    if again:
        return {
            "judged": judged,
            "missing": missing,
            "feedback": feedback(rows, report, missing),
            "previous": [row_text(row) for row in rows if row.verdict != "accepted"],
        }
    current.write_batch_rows(batch.id, judged)
    closed = {"judged": judged, "feedback": "", "previous": [], "candidates": state.candidates + len(judged)}
    return closed | next_batch(state, len(current.batches()))


def next_batch(state: AugmentState, batches: int) -> dict[str, Any]:
    """State update that starts the branch's next batch; empty after the last one."""
    number = state.number + BRANCHES
    return {"number": number, "attempt": 0, "missing": None, "judged": []} if number < batches else {}


async def ask_judge(
    rows: list[RowText], batch: Batch, context: Context, workspace: Workspace
) -> QualityReport | None:
    """The judge's report on a batch; None if the judge is switched off."""
    if not context.loop.qc:
        return None
    data = await build_prompt_data(batch, context, workspace) | {"samples": rows}
    return await workspace.teacher.ask(
        "judge", QualityReport, render(f"judge/{writing(batch, context.loop)}"), data
    )


def verdicts(
    state: AugmentState,
    batch: Batch,
    results: list[CheckResult | None],
    report: QualityReport | None,
    threshold: float,
    last: bool,
) -> list[NewRow]:
    """One verdict per row: the free check's, else the judge's. Sound rows are accepted while the batch has room."""
    room, place, rows = state.missing or 0, -1, []
    for index, (text, result) in enumerate(zip(state.samples, results, strict=True)):
        if result is None:
            place += 1  # the judge saw only the rows that passed the free checks
            check, reason = judge_verdict(report, place, threshold, last)
            if check == "accepted" and room == 0:
                check, reason = "surplus", "The batch already had all the rows that were asked for."
            room -= check == "accepted"
        else:
            check, reason = result.check, result.reason
        rows.append(
            NewRow(
                id=f"{batch.id}-a{state.attempt}-{index}",
                prompt=text["prompt"],
                completion=text["completion"],
                round=batch.round,
                batch=batch.id,
                origin=batch.origin,
                pattern=batch.pattern,
                case=batch.case,
                source=batch.source,
                attempt=state.attempt,
                verdict=check,
                reason=reason,
                evidence=result.evidence if result else None,
                judge=rubric_scores(report) if report and result is None else None,
            )
        )
    return rows


def judge_verdict(
    report: QualityReport | None, place: int, threshold: float, last: bool
) -> tuple[Verdict, str]:
    """The judge's verdict on the row at `place` among those that it saw, with the reason."""
    if report is None:
        return "accepted", "It passed the free checks; the judge is switched off."
    if place in report.rejected:
        return "judge", f"The judge rejected it: {report.feedback}"
    mean_score = sum(rubric_scores(report).values()) / 3
    if mean_score >= threshold:
        return "accepted", f"The judge gave its batch {mean_score:.1f} of 10."
    reason = f"Its batch got {mean_score:.1f} of 10, under the threshold of {threshold:g}: {report.feedback}"
    return ("attempts", f"{reason} This was the last attempt.") if last else ("judge", reason)


def rubric_scores(report: QualityReport) -> dict[str, int]:
    return {"adherence": report.adherence, "utility": report.utility, "relevance": report.relevance}


def row_text(row: NewRow) -> RowText:
    return {"prompt": row.prompt, "completion": row.completion}


def feedback(rows: list[NewRow], report: QualityReport | None, missing: int) -> str:
    """The feedback for the writer: the judge's words and the free checks' reasons, each once.

    It contains no evidence, because a leak's evidence is a validation or test row.
    """
    decided_later = ("accepted", "judge", "attempts", "surplus")
    reasons = [row.reason for row in rows if row.verdict not in decided_later]
    from_judge = [report.feedback] if report else []
    return " ".join(dict.fromkeys([*from_judge, *reasons])) or f"{missing} samples were missing."
