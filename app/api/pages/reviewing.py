"""`/runs/{run}/review`: what a run waits for a person to decide, and the answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from app.api.keys.auth import Reader
from app.api.pages.rendering import page
from app.api.pages.routes import FormWriter, PageRoute, check_token, frame
from app.api.runs.dependencies import Folder, Found, RunId, runs_of
from app.api.runs.schemas import ReviewView, RunView
from app.errors import Conflict, Unprocessable
from graphs.review import FINAL, Edit, ReviewAnswer
from graphs.rounds import Round
from graphs.rows import Pattern, Strategy
from graphs.run_paths import RunPaths

MOST_FIELDS = 20_000
"""Of a form: a round may have some thousand rows, each with a box."""

TEXTS = ("name", "description", "title", "instructions")
"""Of a pattern and its strategy, as `graphs.review.Edit` has them."""

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/runs/{run}/review")
async def show(request: Request, found: Found, paths: Folder, who: Reader) -> Response:
    """The patterns and strategies, or the rows, that wait for a decision."""
    run = RunView.of(found)
    shown: dict[str, Any] = {"patterns": [], "rows": [], "final": 0}
    if run.review and run.review.about == "patterns":
        shown["patterns"] = await run_in_threadpool(drafted, paths, run.review)
    elif run.review:
        rows = [row.as_checked() for row in await run_in_threadpool(Round(paths, run.review.round).rows)]
        open_rows = [row for row in rows if row.verdict not in FINAL]
        shown["rows"] = sorted(open_rows, key=lambda row: row.verdict != "accepted")
        shown["final"] = len(rows) - len(open_rows)
    return page("review.html", run=run, **shown, **frame(request, who))


def drafted(paths: RunPaths, review: ReviewView) -> list[dict[str, Any]]:
    """Each pattern that waits, with its strategy."""
    drafts = Round(paths, review.round).drafts()
    return [texts_of(*drafts[name]) | {"failures": len(drafts[name][0].failures)} for name in review.patterns]


def texts_of(pattern: Pattern, strategy: Strategy) -> dict[str, Any]:
    """What a reviewer may change."""
    return {
        "id": pattern.id,
        "name": pattern.name,
        "description": pattern.description,
        "title": strategy.title,
        "instructions": strategy.instructions,
    }


@router.post("/runs/{run}/review")
async def answer(request: Request, run: RunId, who: FormWriter) -> Response:
    """Give the run its answer; it goes on."""
    async with request.form(max_fields=MOST_FIELDS, max_files=0) as filled:
        check_token(request, who, str(filled.get("token", "")))
        async with request.app.state.sessions.begin() as session:
            runs = runs_of(request, session, who)
            found = await runs.get(run)
            review = RunView.of(found).review
            if review is None:
                raise Conflict("This run does not wait for a review any more.")
            told = await run_in_threadpool(answer_of, filled, review, runs.paths(found))
            await runs.review(run, told)
    return RedirectResponse(f"/runs/{run}", 303)


def answer_of(filled: FormData, review: ReviewView, paths: RunPaths) -> ReviewAnswer:
    """The answer in a filled form. Texts that were not changed are no edit.

    Raises:
        Unprocessable: a text is empty, the texts are too long, or patterns are merged in a circle.
    """
    values: dict[str, Any] = {"about": review.about, "round": review.round}
    names: dict[str, Any]
    if review.about == "rows":
        names = {key: [str(name) for name in filled.getlist(key)] for key in ("accept", "reject")}
    else:
        merged = merged_in(filled, review.patterns)
        names = {"veto": [str(name) for name in filled.getlist("veto")]} | (
            {"merge": merged} if merged else {}
        )
    try:
        edits = edits_in(filled, drafted(paths, review)) if review.about == "patterns" else {}
        return ReviewAnswer.model_validate(values | names | ({"edit": edits} if edits else {}))
    except ValidationError as error:
        raise Unprocessable("; ".join(str(each["msg"]) for each in error.errors())) from None


def merged_in(filled: FormData, patterns: list[str]) -> list[list[str]]:
    """Groups of patterns to merge: first the one that stays, then those that a person has merged into it.

    Raises:
        Unprocessable: patterns are merged in a circle.
    """
    into = {name: target for name in patterns if (target := str(filled.get(f"{name}.into", "")))}
    groups: dict[str, list[str]] = {}
    for name in into:
        stays, passed = name, {name}
        while stays in into:
            stays = into[stays]
            if stays in passed:
                raise Unprocessable("Patterns are merged in a circle: one of them must stay.")
            passed.add(stays)
        groups.setdefault(stays, [stays]).append(name)
    return list(groups.values())


def edits_in(filled: FormData, patterns: list[dict[str, Any]]) -> dict[str, Edit]:
    """Pattern id -> the texts that a person has changed. Browsers write line ends of their own."""
    edits = {}
    for pattern in patterns:
        given = {text: str(filled.get(f"{pattern['id']}.{text}", pattern[text])) for text in TEXTS}
        changed = {
            text: value.replace("\r\n", "\n")
            for text, value in given.items()
            if value.replace("\r\n", "\n") != pattern[text].replace("\r\n", "\n")
        }
        if changed:
            edits[pattern["id"]] = Edit(**changed)
    return edits
