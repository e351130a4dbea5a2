"""Give every row of a batch its verdict. Send the batch back while rows are missing and attempts remain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from langgraph.runtime import Runtime

from graphs.checks.openings import messages
from graphs.checks.prompt_form import PromptForm
from graphs.checks.row_checks import CheckResult
from graphs.context import Context
from graphs.nodes.answer_prompts import PromptData, whole_prompt
from graphs.nodes.generate import build_prompt_data, opening_of, writing
from graphs.rows import Batch, NewRow, Verdict
from graphs.schemas import BlindAnswers, QualityReport
from graphs.state import BRANCHES, AugmentState
from graphs.unanswered import ask_or_note
from graphs.workspace import Workspace
from prompts import render
from trainer.records import Example, Prediction
from trainer.tasks.base import Task

RowText = dict[str, str]
"""`prompt` and `completion` of a new row; `source`, the id of its unlabelled row, where it has one."""


async def check_quality(
    state: AugmentState, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Run the free checks, then ask the judge about the rows that passed, and for their answers without showing them.

    Rows that the judge cannot judge are kept or dropped as `loop.unjudged` says. The last attempt closes the batch.
    """
    current, loop = workspace.round(state.round), runtime.context.loop
    batch = current.batches()[state.number]
    corpus = await workspace.corpus(batch.round)
    results = await corpus.check(state.samples)
    passed = [text for text, result in zip(state.samples, results, strict=True) if result is None]
    shown = [as_shown(text, workspace) for text in passed]
    data = await build_prompt_data(batch, runtime.context, workspace)
    report, votes = await asyncio.gather(
        ask_judge(data, shown, batch, state.attempt, runtime.context, workspace),
        ask_blind(data, shown, batch, state.attempt, runtime.context, workspace),
    )
    # another attempt is no use for prompts that are given, once they are answered
    answered = batch.origin == "unlabeled" and bool(state.samples)
    last = state.attempt >= loop.max_attempts or answered
    disputed = disputes(workspace.task, shown, votes)
    rows = verdicts(state, batch, results, report, loop.qc_threshold, last, disputed)
    put_back_turns(rows, batch, data, workspace)
    if loop.qc and report is None and loop.unjudged == "drop":
        rows = [not_judged(row) if row.verdict in ("accepted", "surplus") else row for row in rows]
    missing = (state.missing or 0) - sum(row.verdict == "accepted" for row in rows)
    again = missing > 0 and not last and batch.origin != "person"  # nobody writes a person's row anew
    judged = [*state.judged, *(row.model_dump(mode="json") for row in rows)]
    if again:
        return {
            "judged": judged,
            "missing": missing,
            "feedback": feedback(rows, report, missing, workspace.prompt_form),
            "previous": [row_text(row) for row in rows if row.verdict != "accepted"],
        }
    current.write_batch_rows(batch.id, judged)
    closed = {"judged": judged, "feedback": "", "previous": [], "candidates": state.candidates + len(judged)}
    return closed | next_batch(state, len(current.batches()))


def put_back_turns(rows: list[NewRow], batch: Batch, data: PromptData, workspace: Workspace) -> None:
    """Give the rows the turns before their prompts, which no teacher writes; an unlabelled row has its own."""
    opening = opening_of(batch, data, workspace)
    for row in rows:
        given = workspace.unlabeled().get(row.source or "") if row.origin == "unlabeled" else None
        row.messages = given.messages if given else messages(opening, row.prompt)


def as_shown(text: RowText, workspace: Workspace) -> RowText:
    """A row as the judge sees it; of an unlabelled conversation all turns."""
    given = workspace.unlabeled()[text["source"]] if "source" in text else None
    prompt = whole_prompt(given, workspace) if given else text["prompt"]
    return {"prompt": prompt, "completion": text["completion"]}


def next_batch(state: AugmentState, batches: int) -> dict[str, Any]:
    """State update that starts the branch's next batch; empty after the last one."""
    number = state.number + BRANCHES
    return {"number": number, "attempt": 0, "missing": None, "judged": []} if number < batches else {}


async def ask_judge(
    data: PromptData, rows: list[RowText], batch: Batch, attempt: int, context: Context, workspace: Workspace
) -> QualityReport | None:
    """The judge's report on a batch; None if it is switched off or cannot answer, or nothing passed the free checks."""
    if not context.loop.qc or not rows:
        return None
    return await ask_or_note(
        workspace.teacher,
        workspace.round(batch.round),
        "judgement",
        f"{batch.id}, attempt {attempt}",
        "judge",
        QualityReport,
        render(f"judge/{writing(batch, context.loop)}"),
        data | {"samples": rows},
    )


async def ask_blind(
    data: PromptData, rows: list[RowText], batch: Batch, attempt: int, context: Context, workspace: Workspace
) -> list[list[str]]:
    """The judge's own answers to the rows' prompts, a list for each of `loop.qc_blind` votes."""
    if not context.loop.qc_blind or not rows:
        return []
    known = {key: data[key] for key in ("task", "examples", "system") if key in data}
    shown = known | {"prompts": [row["prompt"] for row in rows]}
    # the number of the vote makes each a request of its own, which the ledger does not answer from another
    answers = await asyncio.gather(
        *(
            ask_or_note(
                workspace.teacher,
                workspace.round(batch.round),
                "blind answers",
                f"{batch.id}, attempt {attempt}, vote {vote}",
                "judge",
                BlindAnswers,
                render("blind"),
                shown | {"vote": vote},
            )
            for vote in range(context.loop.qc_blind)
        )
    )
    return [answer.answers for answer in answers if answer]


def disputes(task: Task, rows: Sequence[RowText], votes: Sequence[Sequence[str]]) -> set[int]:
    """Places of the rows whose answer is not that of most blind answers, as the task's metric compares them.

    A prompt that a vote has no answer for is not counted by it.
    """
    disputed = set()
    for place, row in enumerate(rows):
        example = Example(id=str(place), **row)
        answers = [vote[place] for vote in votes if place < len(vote)]
        agreed = sum(task.score(example, Prediction(id=str(place), text=text)).correct for text in answers)
        if answers and 2 * agreed <= len(answers):
            disputed.add(place)
    return disputed


def verdicts(
    state: AugmentState,
    batch: Batch,
    results: list[CheckResult | None],
    report: QualityReport | None,
    threshold: float,
    last: bool,
    disputed: Collection[int] = (),
) -> list[NewRow]:
    """One verdict per row: the free check's, else the judge's. Sound rows are accepted while the batch has room.

    Args:
        disputed: places, among the rows that passed the free checks, of those to which the judge gave another answer.
    """
    room, place, rows = state.missing or 0, -1, []
    named = {index for index in report.rejected if 0 <= index < results.count(None)} if report else set()
    for index, (text, result) in enumerate(zip(state.samples, results, strict=True)):
        if result is None:
            place += 1  # the judge saw only the rows that passed the free checks
            check, reason = judge_verdict(report, place, named, threshold, last)
            if place in disputed:
                check, reason = "disputed", "Asked without its answer, the judge gave another one."
            if check == "accepted" and room == 0:
                check, reason = "surplus", "The batch already had all the rows that were asked for."
            room -= check == "accepted"
        else:
            check, reason = result.check, result.reason
        rows.append(
            NewRow(
                id=f"{batch.id}-a{state.attempt}-{index}" if batch.origin != "person" else batch.source or "",
                prompt=text["prompt"],
                completion=text["completion"],
                round=batch.round,
                batch=batch.id,
                origin=batch.origin,
                pattern=batch.pattern,
                case=batch.case,
                source=text.get("source", batch.source) if batch.origin != "person" else None,
                attempt=state.attempt,
                verdict=check,
                reason=reason,
                evidence=result.evidence if result else None,
                judge=rubric_scores(report) if report and result is None else None,
            )
        )
    return rows


def judge_verdict(
    report: QualityReport | None, place: int, named: Collection[int], threshold: float, last: bool
) -> tuple[Verdict, str]:
    """The judge's verdict on the row at `place` among those that it saw, with the reason.

    A batch under the threshold goes back whole only where the judge names no row of it as bad.

    Args:
        named: places of the rows that it names.
    """
    if report is None:
        return "accepted", "It passed the free checks; no judge looked at it."
    if place in named:
        return "judge", f"The judge rejected it: {report.feedback}"
    mean_score = sum(rubric_scores(report).values()) / 3
    if mean_score >= threshold:
        return "accepted", f"The judge gave its batch {mean_score:.1f} of 10."
    if named:
        return "accepted", f"The judge gave its batch {mean_score:.1f} of 10 and named other rows as bad."
    reason = f"Its batch got {mean_score:.1f} of 10, under the threshold of {threshold:g}: {report.feedback}"
    return ("attempts", f"{reason} This was the last attempt.") if last else ("judge", reason)


def not_judged(row: NewRow) -> NewRow:
    """A row that the judge should have seen."""
    return row.model_copy(
        update={"verdict": "unanswered", "reason": "The judge could not answer about its batch."}
    )


def rubric_scores(report: QualityReport) -> dict[str, int]:
    return {"adherence": report.adherence, "utility": report.utility, "relevance": report.relevance}


def row_text(row: NewRow) -> RowText:
    return {"prompt": row.prompt, "completion": row.completion}


def feedback(rows: list[NewRow], report: QualityReport | None, missing: int, form: PromptForm) -> str:
    """The feedback for the writer: the judge's words and the free checks' reasons, each once.

    It contains no evidence, because a leak's evidence is a validation or test row.
    """
    decided_later = ("accepted", "disputed", "judge", "attempts", "surplus", "unanswered")
    reasons = [row.reason for row in rows if row.verdict not in decided_later]
    from_judge = [report.feedback] if report else []
    if disputed := [f'"{form.variable_part(row.prompt)}"' for row in rows if row.verdict == "disputed"]:
        from_judge.append(
            f"A reader who did not see the answers gave others to {'; '.join(disputed)}. "
            "Write prompts that leave one answer only, and give that one."
        )
    return " ".join(dict.fromkeys([*from_judge, *reasons])) or f"{missing} samples were missing."
