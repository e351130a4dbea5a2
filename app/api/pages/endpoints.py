"""`/`: sign in, runs, one run, its patterns and rows. What a page shows comes from the same places as `/v1`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from pydantic import StringConstraints
from starlette.concurrency import run_in_threadpool

from app.api.keys.auth import Reader, caller_of_key
from app.api.keys.cookies import COOKIE, LONGEST_SESSION, Signer
from app.api.pages.answers import CHANGES, SORTS, Change, Sort, answer_changes, find_answers, scored_rounds
from app.api.pages.rendering import ASSETS, HEADERS, asset, page
from app.api.pages.routes import (
    EMPTY_IS_NONE,
    Budget,
    FormReader,
    FormWriter,
    PageRoute,
    Token,
    check_token,
    frame,
    page_of,
)
from app.api.pages.watching import last_step, nodes_of, pattern_charts, run_charts
from app.api.pagination import PageQuery
from app.api.runs import files
from app.api.runs.dependencies import Folder, Found, RunId, runs_of
from app.api.runs.results import Limit, Offset, Round
from app.api.runs.schemas import RunView
from app.api.runs.service import Runs
from app.db import datasets as dataset_repository
from app.db import run_events as event_repository
from app.db import runs as run_repository
from app.db.models import Run
from app.engine.events import TeacherSpend
from app.engine.run_status import STATUSES, RunStatus
from app.errors import Forbidden
from graphs.context import LoopSpec
from graphs.methods import Origin
from graphs.rounds import Round as RoundFiles
from graphs.rows import Verdict
from graphs.run_paths import RunPaths
from graphs.teacher.spec import BudgetSpec

Address = Annotated[str, StringConstraints(max_length=2000)]
OVER = ("finished", "failed", "cancelled")
EVENTS_SHOWN = 200

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/assets/{name}")
async def assets(
    name: Literal[
        "htmx.min.js", "charts.js", "plan.js", "rows.js", "playground.js", "vega.js", "page.css", "style.css"
    ],
) -> PlainTextResponse:
    """A file that pages load; it needs no key."""
    headers = {**HEADERS, "Cache-Control": "public, max-age=3600"}
    text = await run_in_threadpool(asset, name)
    return PlainTextResponse(text, media_type=ASSETS[name], headers=headers)


@router.get("/sign-in")
async def sign_in_form(request: Request, to: Address = "/") -> Response:
    """Asks for a key."""
    return page("sign_in.html", message="", to=page_of(to), **frame(request, None))


@router.post("/sign-in")
async def sign_in(
    request: Request, key: Annotated[str, Form(max_length=200)], to: Annotated[Address, Form()] = "/"
) -> Response:
    """Exchange a key for a cookie, and go on to the page that was asked for. Nobody else's page may sign a browser in."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Forbidden("This form was sent by another site.")
    known = await caller_of_key(request, key.strip())
    if known is None:
        message = "This key is unknown or was revoked."
        return page("sign_in.html", 401, message=message, to=page_of(to), **frame(request, None))
    signer: Signer = request.app.state.signer
    response = RedirectResponse(page_of(to), 303)
    response.set_cookie(
        COOKIE,
        signer.session(known.owner),
        max_age=LONGEST_SESSION,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/sign-out")
async def sign_out(request: Request, who: FormReader, token: Token = "") -> Response:
    """Forget the cookie."""
    check_token(request, who, token)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/")
async def runs(
    request: Request,
    who: Reader,
    query: PageQuery,
    status: Annotated[RunStatus | None, Query()] = None,
    part: bool = False,
) -> Response:
    """The caller's runs, newest first; `part` is the table alone."""
    async with request.app.state.reads() as session:
        found, cursor = await run_repository.get_page(session, who.sees, status, query)
        names = await dataset_repository.get_names(session, {run.dataset for run in found if run.dataset})
    shown: dict[str, Any] = {"runs": [RunView.of(run) for run in found], "next": cursor, "only": status}
    shown |= {"datasets": names}
    return page("runs_table.html" if part else "runs.html", statuses=STATUSES, **shown, **frame(request, who))


@router.get("/runs/{run}")
async def run(request: Request, found: Found, paths: Folder, who: Reader, part: bool = False) -> Response:
    """One run; `part` is what changes while it works."""
    view = RunView.of(found)
    trains = view.stage == "fine_tune"
    async with request.app.state.reads() as session:
        names = await dataset_repository.get_names(session, [found.dataset] if found.dataset else [])
    shown: dict[str, Any] = {
        "run": view,
        "over": found.status in OVER,
        "has_report": paths.html.exists(),
        "about": about(found.config, next(iter(names.values()), "")),
        "rounds": LoopSpec(**found.config["loop"]).last_round,
        "nodes": nodes_of(LoopSpec(**found.config["loop"])),
        "budget": BudgetSpec(**found.config.get("budget", {})),
        "step": await run_in_threadpool(last_step, RoundFiles(paths, view.round)) if trains else None,
    }
    return page("run_state.html" if part else "run.html", **shown, **frame(request, who))


def about(config: dict[str, Any], dataset: str) -> list[str]:
    """What a run is made of, in words: rows, student and teacher."""
    student, teacher = config.get("student", {}).get("model"), (config.get("teacher") or {}).get("model")
    return [*filter(None, (dataset, student)), *([f"{teacher} as teacher"] if teacher else [])]


@router.get("/runs/{run}/charts")
async def charts(request: Request, found: Found, paths: Folder) -> dict[str, Any]:
    """The charts of a run's state, as Vega-Lite specifications, and whether they change no more."""
    async with request.app.state.reads() as session:
        spent = await event_repository.get_events_of(session, found.id, TeacherSpend)
    drawn = await run_in_threadpool(run_charts, paths, RunView.of(found), spent)
    return {"over": found.status in OVER, "charts": drawn}


@router.get("/runs/{run}/patterns/charts")
async def map_of_failures(found: Found, paths: Folder) -> dict[str, Any]:
    """The map of the analysed failures."""
    return {"over": found.status in OVER, "charts": await run_in_threadpool(pattern_charts, paths)}


@router.get("/runs/{run}/events")
async def events(request: Request, found: Found, who: Reader) -> Response:
    """What has happened in a run, the newest first."""
    async with request.app.state.reads() as session:
        newest = await event_repository.get_last_events(session, found.id, EVENTS_SHOWN)
    return page("events.html", run=RunView.of(found), events=newest, **frame(request, who))


@router.get("/runs/{run}/patterns")
async def patterns(
    request: Request, found: Found, paths: Folder, who: Reader, round: Round = None
) -> Response:
    """The failure patterns of a run, what was written for each, and what became of its failures."""
    shown = await run_in_threadpool(rounds_of, paths, round)
    return page("patterns.html", run=RunView.of(found), rounds=shown, **frame(request, who))


def rounds_of(paths: RunPaths, number: int | None) -> list[dict[str, Any]]:
    """Round by round, the last first: each pattern with its strategy and its account, where there are any."""
    shown = []
    for each in reversed(files.rounds(paths) if number is None else [number]):
        here = RoundFiles(paths, each)
        accounts = here.accounts()
        strategies = {path.stem: here.strategy(path.stem) for path in here.paths.strategies.glob("*.json")}
        found = [
            {"pattern": pattern, "strategy": strategies.get(name), "account": accounts.get(name)}
            for name, pattern in here.patterns().items()
        ]
        if found:
            shown.append({"round": each, "patterns": found})
    return shown


@router.get("/runs/{run}/rows")
async def rows(
    request: Request,
    found: Found,
    paths: Folder,
    who: Reader,
    round: Annotated[int | None, Query(ge=0, le=10_000), EMPTY_IS_NONE] = None,
    verdict: Annotated[Verdict | None, Query(), EMPTY_IS_NONE] = None,
    pattern: Annotated[str | None, Query(max_length=64), EMPTY_IS_NONE] = None,
    origin: Annotated[Origin | None, Query(), EMPTY_IS_NONE] = None,
    start: Offset = 0,
    limit: Limit = 50,
) -> Response:
    """The rows that were written or added, with their verdicts."""
    written = files.samples(paths, round, verdict, pattern, origin)
    items, following = await run_in_threadpool(files.page, written, start, limit)
    chosen = {"round": round, "verdict": verdict, "pattern": pattern, "origin": origin}
    shown: dict[str, Any] = {
        "rows": items,
        "next": following,
        "chosen": chosen,
        "rounds": files.rounds(paths),
        "verdicts": get_args(Verdict),
        "origins": get_args(Origin),
        "further": urlencode({key: value for key, value in chosen.items() if value is not None}),
    }
    return page("rows.html", run=RunView.of(found), **shown, **frame(request, who))


@router.get("/runs/{run}/answers")
async def answers(
    request: Request,
    found: Found,
    paths: Folder,
    who: Reader,
    round: Annotated[int | None, Query(ge=0, le=10_000), EMPTY_IS_NONE] = None,
    change: Annotated[Change | None, Query(), EMPTY_IS_NONE] = None,
    search: Annotated[str, Query(max_length=200)] = "",
    sort: Sort = "file",
    start: Offset = 0,
    limit: Limit = 50,
) -> Response:
    """The validation rows with the baseline's answers and a later student's, by default the last one's."""
    students = await run_in_threadpool(scored_rounds, paths)
    number = round if round in students else max(students, default=0)
    changed = await run_in_threadpool(lambda: list(answer_changes(paths, number))) if students else []
    kept = find_answers(changed, change, search, sort)
    shown: dict[str, Any] = {
        "answers": kept[start : start + limit],
        "found": len(kept),
        "next": start + limit if start + limit < len(kept) else None,
        "counts": Counter(each.change for each in changed),
        "chosen": {"round": number, "change": change or "", "search": search, "sort": sort},
        "students": students,
        "changes": CHANGES,
        "sorts": SORTS,
    }
    return page("answers.html", run=RunView.of(found), **shown, **frame(request, who))


STEPS: dict[str, Callable[[Runs, str], Awaitable[Run]]] = {
    "pause": Runs.pause,
    "resume": Runs.resume,
    "cancel": Runs.cancel,
}


@router.post("/runs/{run}/budget")
async def raise_budget(
    request: Request,
    run: RunId,
    who: FormWriter,
    budget: Budget,
    token: Token = "",
) -> Response:
    """Let a run that waits for its budget go on with another one."""
    check_token(request, who, token)
    async with request.app.state.sessions.begin() as session:
        await runs_of(request, session, who).resume(run, budget)
    return RedirectResponse(f"/runs/{run}", 303)


@router.post("/runs/{run}/{step}")
async def act(
    request: Request,
    run: RunId,
    step: Annotated[Literal["pause", "resume", "cancel"], Path()],
    who: FormWriter,
    token: Token = "",
) -> Response:
    """Pause, resume or cancel a run."""
    check_token(request, who, token)
    async with request.app.state.sessions.begin() as session:
        await STEPS[step](runs_of(request, session, who), run)
    return RedirectResponse(f"/runs/{run}", 303)
