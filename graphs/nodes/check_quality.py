"""Give every row of a batch its verdict, and send the batch back while rows are missing and attempts are left."""

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

Sample = dict[str, str]


async def check_quality(
    state: AugmentState, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """First the checks that cost nothing, then the judge on what they left; the last attempt closes the batch."""
    here, loop = workspace.round(state.round), runtime.context.loop
    batch = here.batches()[state.number]
    corpus = await workspace.corpus(batch.round)
    findings = await corpus.check(state.samples)
    sound = [index for index, finding in enumerate(findings) if finding is None]
    report = (
        await ask_judge([state.samples[i] for i in sound], batch, runtime.context, workspace)
        if sound
        else None
    )
    last = state.attempt >= loop.max_attempts
    candidates = verdicts(state, batch, findings, report, loop.qc_threshold, last)
    missing = (state.missing or 0) - sum(c.verdict == "accepted" for c in candidates)
    again = missing > 0 and not last
    judged = [*state.judged, *(candidate.model_dump(mode="json") for candidate in candidates)]
    if again:
        return {
            "judged": judged,
            "missing": missing,
            "feedback": feedback(candidates, report, missing),
            "previous": [sample(c) for c in candidates if c.verdict != "accepted"],
        }
    here.write_batch_rows(batch.id, judged)
    closed = {"judged": judged, "feedback": "", "previous": [], "candidates": state.candidates + len(judged)}
    return closed | following(state, len(here.batches()))


def following(state: AugmentState, batches: int) -> dict[str, Any]:
    """The start of the branch's next batch, if there is one."""
    number = state.number + BRANCHES
    return {"number": number, "attempt": 0, "missing": None, "judged": []} if number < batches else {}


async def ask_judge(
    samples: list[Sample], batch: Batch, context: Context, workspace: Workspace
) -> QualityReport | None:
    """The judge's report on a batch, or None when the judge is switched off."""
    if not context.loop.qc:
        return None
    data = await build_prompt_data(batch, context, workspace) | {"samples": samples}
    return await workspace.teacher.ask(
        "judge", QualityReport, render(f"judge/{writing(batch, context.loop)}"), data
    )


def verdicts(
    state: AugmentState,
    batch: Batch,
    findings: list[CheckResult | None],
    report: QualityReport | None,
    threshold: float,
    last: bool,
) -> list[NewRow]:
    """One verdict a sample: the free check's, else the judge's, else accepted while the batch has room."""
    room, place, candidates = state.missing or 0, -1, []
    for index, (written, finding) in enumerate(zip(state.samples, findings, strict=True)):
        if finding is None:
            place += 1  # the judge counted only what the free checks left
            check, reason = judged(report, place, threshold, last)
            if check == "accepted" and room == 0:
                check, reason = "surplus", "The batch already had all the rows that were asked for."
            room -= check == "accepted"
        else:
            check, reason = finding.check, finding.reason
        candidates.append(
            NewRow(
                id=f"{batch.id}-a{state.attempt}-{index}",
                prompt=written["prompt"],
                completion=written["completion"],
                round=batch.round,
                batch=batch.id,
                origin=batch.origin,
                pattern=batch.pattern,
                source=batch.source,
                attempt=state.attempt,
                verdict=check,
                reason=reason,
                evidence=finding.evidence if finding else None,
                judge=rubric_scores(report) if report and finding is None else None,
            )
        )
    return candidates


def judged(report: QualityReport | None, place: int, threshold: float, last: bool) -> tuple[Verdict, str]:
    """The judge's verdict on the sample at `place` of those that it saw."""
    if report is None:
        return "accepted", "It passed the free checks; the judge is switched off."
    if place in report.rejected:
        return "judge", f"The judge rejected it: {report.feedback}"
    mean_score = sum(rubric_scores(report).values()) / 3
    if mean_score >= threshold:
        return "accepted", f"The judge gave its batch {mean_score:.1f} of 10."
    said = f"Its batch got {mean_score:.1f} of 10, under the threshold of {threshold:g}: {report.feedback}"
    return ("attempts", f"{said} This was the last attempt.") if last else ("judge", said)


def rubric_scores(report: QualityReport) -> dict[str, int]:
    return {"adherence": report.adherence, "utility": report.utility, "relevance": report.relevance}


def sample(candidate: NewRow) -> Sample:
    return {"prompt": candidate.prompt, "completion": candidate.completion}


def feedback(candidates: list[NewRow], report: QualityReport | None, missing: int) -> str:
    """What the writer is told: the judge's words and the free checks' reasons, each once.

    Evidence stays out of it: a leak's evidence is a validation or test row.
    """
    reasons = [c.reason for c in candidates if c.verdict not in ("accepted", "judge", "attempts", "surplus")]
    said = [report.feedback] if report else []
    return " ".join(dict.fromkeys([*said, *reasons])) or f"{missing} samples were missing."
