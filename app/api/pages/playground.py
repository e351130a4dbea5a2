"""`/runs/{run}/playground`: one input, answered by the untrained student, the baseline and the best student."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from app.api.keys.auth import Caller, Reader
from app.api.pages.rendering import HEADERS, page, render
from app.api.pages.routes import FormReader, PageRoute, Token, check_token, frame
from app.api.runs.dependencies import Folder, Found, RunId, runs_of
from app.api.runs.schemas import RunView
from app.api.serving.answers import AnswerStream, Lines
from app.api.serving.students import find_student, question_to, students_of
from app.db.models import Run
from app.engine.row_text import next_step
from app.errors import NotFound, PadaError
from graphs.context import LoopSpec
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.artifacts import read_jsonl
from trainer.records import Example

LISTED = 500
"""Validation rows to pick from."""
WRONG_LISTED = 10
"""Of those that the best student gets wrong."""
MOST_LABELS = 200
"""Answers of train rows that are offered; where there are more, they are no labels."""
OPTIONS_SHOWN, TOKENS_SHOWN = 5, 100
ALTERNATIVES = 3
"""Of each token."""

router = APIRouter(include_in_schema=False, route_class=PageRoute)


async def run_asked(request: Request, run: RunId, who: FormReader) -> Run:
    """The run that a form is about; its owner and admins see it."""
    async with request.app.state.reads() as session:
        return await runs_of(request, session, who).get(run)


async def paths_of(request: Request, run: Annotated[Run, Depends(run_asked)]) -> RunPaths:
    """The folder of the run that a form is about."""
    return RunPaths(request.app.state.settings.runs / run.id)


Asked = Annotated[Run, Depends(run_asked)]
AskedPaths = Annotated[RunPaths, Depends(paths_of)]
Row = Annotated[str, Query(max_length=1000)]
Field = Annotated[str, Form(max_length=100_000)]


def rows_of(paths: RunPaths) -> dict[str, Example]:
    """Id -> validation row, in their order."""
    with suppress(FileNotFoundError):
        return {row["id"]: Example(**row) for row in read_jsonl(paths.data("validation"))}
    return {}


def compared(run: Run) -> dict[str, str]:
    """Name -> title of each student that answers; empty before one was scored."""
    students = students_of(run)
    if not students:
        return {}
    best = {run.id: "Best student"} if students[run.id].round else {}
    return {f"{run.id}:base": "Untrained", f"{run.id}:baseline": "Baseline", **best}


def wrong_rows(run: Run, paths: RunPaths, rows: dict[str, Example]) -> list[Example]:
    """Validation rows that the best student gets wrong, in their order."""
    best = students_of(run)[run.id].round or 0
    wrong = (score.id for score in Round(paths, best).scores("validation") if not score.correct)
    return [rows[name] for name in wrong if name in rows][:WRONG_LISTED]


def labels_of(paths: RunPaths) -> list[str]:
    """The answers that train rows share; none where most rows have one of their own."""
    with suppress(FileNotFoundError):
        answers = [row["completion"] for row in read_jsonl(paths.data("train"))]
        labels = sorted(set(answers))
        return labels if len(labels) <= min(MOST_LABELS, len(answers) // 2) else []
    return []


async def form(
    request: Request, run: Run, paths: RunPaths, who: Caller, *, row: str, text: str, asked: bool
) -> Response:
    """The form with its input and, where it was sent, a place for each answer."""
    students = compared(run)
    rows = await run_in_threadpool(rows_of, paths)
    text = text or (rows[row].prompt if row in rows else "")
    asked = asked and bool(text.strip())
    shown: dict[str, Any] = {
        "rows": list(rows.values())[:LISTED],
        "row": rows.get(row),
        "text": text,
        "students": students,
        "wrong": await run_in_threadpool(wrong_rows, run, paths, rows) if students else [],
        "asked": asked,
    }
    if asked:
        loop = LoopSpec(**run.config["loop"])
        shown |= {
            "labels": await run_in_threadpool(labels_of, paths),
            "is_row": row in rows and text == unix(rows[row].prompt),
            "next_step": await run_in_threadpool(next_step, run.status, loop, paths),
        }
    return page("playground.html", run=RunView.of(run), **shown, **frame(request, who))


@router.get("/runs/{run}/playground")
async def show(
    request: Request, found: Found, paths: Folder, who: Reader, row: Row = "", ask: bool = False
) -> Response:
    """Asks for an input; with `ask`, a validation row is asked at once."""
    return await form(request, found, paths, who, row=row, text="", asked=ask)


@router.post("/runs/{run}/playground")
async def ask(
    request: Request,
    found: Asked,
    paths: AskedPaths,
    who: FormReader,
    text: Field = "",
    row: Field = "",
    token: Token = "",
) -> Response:
    """The form with a place for each answer; the page then asks for them one by one."""
    check_token(request, who, token)
    return await form(request, found, paths, who, row=row, text=unix(text), asked=True)


@router.post("/runs/{run}/playground/answer")
async def answer(
    request: Request,
    found: Asked,
    paths: AskedPaths,
    who: FormReader,
    student: Annotated[str, Form(max_length=100)],
    text: Field,
    row: Field = "",
    token: Token = "",
) -> Response:
    """One student's answer as server-sent events: `text` goes on with it, and `whole` is a part of the page.

    An error is shown in the answer's place.
    """
    check_token(request, who, token)
    title = compared(found).get(student)
    if title is None:
        raise NotFound("This run has no such student.")
    rows = await run_in_threadpool(rows_of, paths)
    question = await question_to(
        await find_student(request, who, student),
        request.app.state.settings,
        example_of(unix(text), rows.get(row)),
        top_logprobs=ALTERNATIVES,
        labels=True,
    )
    lines: Lines = request.app.state.students.ask(question)
    return AnswerStream(events(title, lines), lines, HEADERS)


async def events(title: str, lines: Lines) -> AsyncIterator[str]:
    """The events of one answer."""
    text, tokens, end, fault = "", [], None, ""
    try:
        async for line in lines:
            text, end = text + line.text, line.end
            tokens += line.tokens
            if line.text:
                yield event("text", line.text)
    except PadaError as error:
        fault = str(error)
    shown = {"title": title, "fault": fault, "answer": {"text": text, "tokens": tokens, "end": end}}
    whole = render("playground_answer.html", options_shown=OPTIONS_SHOWN, tokens_shown=TOKENS_SHOWN, **shown)
    yield event("whole", whole)


def event(name: str, data: str) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def example_of(text: str, row: Example | None) -> Example:
    """The input as a row: the picked one, with its other fields, or one of its own."""
    if row is None:
        return Example(id="", prompt=text, completion="")
    return row if text == unix(row.prompt) else row.model_copy(update={"prompt": text})


def unix(text: str) -> str:
    """Browsers send line ends of their own."""
    return text.replace("\r\n", "\n")
