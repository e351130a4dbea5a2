"""`/v1/runs`: start, follow and control runs, and download their results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from app.api.idempotency import Idempotent
from app.api.keys.auth import Caller, Reader, Writer
from app.api.pagination import PageQuery
from app.api.problems import problems
from app.api.runs import files
from app.api.runs import openapi_examples as examples
from app.api.runs.event_stream import RunSubscription
from app.api.runs.openapi_examples import example, page_of
from app.api.runs.schemas import (
    Artifacts,
    RowPage,
    RunPage,
    RunRequest,
    RunView,
)
from app.api.runs.service import Runs
from app.db import runs as run_repository
from app.db.models import Run
from app.engine.run_status import RunStatus
from app.errors import NotFound
from graphs.report import Report
from graphs.review import ReviewAnswer
from graphs.rows import Verdict
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json

router = APIRouter(prefix="/v1/runs", tags=["runs"])

RunId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Id of the run.")]
Round = Annotated[int | None, Query(ge=0, le=10_000, description="Of this round only.")]
Place = Annotated[int, Query(alias="cursor", ge=0, le=10**9, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Rows of a page, at most.")]
Step = Callable[[Runs], Awaitable[Run]]


def runs_of(request: Request, session: AsyncSession, caller: Caller) -> Runs:
    """The operations on the caller's runs, in one transaction."""
    return Runs(session, request.app.state.settings, caller.owner, everybody=caller.sees is None)


async def run_of(request: Request, caller: Reader, run: RunId) -> Run:
    """The run that a GET is about; its owner and admins see it."""
    async with request.app.state.reads() as session:
        return await runs_of(request, session, caller).get(run)


Found = Annotated[Run, Depends(run_of)]


async def folder(request: Request, run: Found) -> RunPaths:
    """The folder of the run that a GET is about."""
    return RunPaths(request.app.state.settings.runs / run.id)


Folder = Annotated[RunPaths, Depends(folder)]


@router.post(
    "", summary="Start a run", status_code=202, response_model=RunView, responses=problems(404, 409, 413)
)
async def start(request: Request, body: RunRequest, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Start a run. It is stored before the answer is sent."""

    async def handle(session: AsyncSession) -> RunView:
        return RunView.of(await runs_of(request, session, caller).start(body))

    return await idempotent.reply(handle, 202, location="/v1/runs/{id}")


@router.get("", summary="List runs", responses=problems())
async def page(
    request: Request, caller: Reader, query: PageQuery, status: Annotated[RunStatus | None, Query()] = None
) -> RunPage:
    """Your runs, the newest first."""
    async with request.app.state.reads() as session:
        runs, cursor = await run_repository.get_page(session, caller.sees, status, query)
    return RunPage(items=[RunView.of(run) for run in runs], next=cursor)


@router.get("/{run}", summary="Show a run", responses=problems(404))
async def show(run: Found) -> RunView:
    """One run: status, stage, progress, scores, cost."""
    return RunView.of(run)


async def change(request: Request, caller: Caller, idempotent: Idempotent, step: Step) -> JSONResponse:
    """Change a run, in one transaction."""

    async def handle(session: AsyncSession) -> RunView:
        return RunView.of(await step(runs_of(request, session, caller)))

    return await idempotent.reply(handle, 202)


@router.post(
    "/{run}/cancel",
    summary="Cancel a run",
    status_code=202,
    response_model=RunView,
    responses=problems(404, 409),
)
async def cancel(request: Request, run: RunId, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Cancel a run. A running trainer stops within seconds; accepted rows stay."""
    return await change(request, caller, idempotent, lambda runs: runs.cancel(run))


@router.post(
    "/{run}/pause",
    summary="Pause a run",
    status_code=202,
    response_model=RunView,
    responses=problems(404, 409),
)
async def pause(request: Request, run: RunId, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Pause a run until it is resumed."""
    return await change(request, caller, idempotent, lambda runs: runs.pause(run))


@router.post(
    "/{run}/resume",
    summary="Resume a run",
    status_code=202,
    response_model=RunView,
    responses=problems(404, 409),
)
async def resume(request: Request, run: RunId, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Continue a paused or failed run from where it was."""
    return await change(request, caller, idempotent, lambda runs: runs.resume(run))


@router.post(
    "/{run}/review",
    summary="Answer a review",
    status_code=202,
    response_model=RunView,
    responses=problems(404, 409),
)
async def review(
    request: Request, run: RunId, answer: ReviewAnswer, caller: Writer, idempotent: Idempotent
) -> JSONResponse:
    """Answer the review that a run waits for, of patterns and strategies or of rows (the run's `review` tells which): an
    empty answer leaves all as it is."""
    return await change(request, caller, idempotent, lambda runs: runs.review(run, answer))


async def subscribed(request: Request, run: Found) -> AsyncIterator[RunSubscription]:
    """A subscription to the run that a GET is about; ends with the answer.

    It is a dependency, because FastAPI closes dependencies when the reader disconnects, but not the stream itself.
    """
    async with request.app.state.broadcaster.subscribe(run.id) as subscription:
        yield subscription


@router.get(
    "/{run}/events",
    summary="Follow a run",
    response_class=EventSourceResponse,
    responses=problems(404) | example(examples.EVENT, "text/event-stream"),
)
async def events(
    request: Request,
    subscription: Annotated[RunSubscription, Depends(subscribed)],
    last: Annotated[
        int, Header(alias="Last-Event-ID", ge=0, le=10**15, description="Id of the last event that was read.")
    ] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """The events of a run, from any point on. The stream ends with the run."""
    async for event in request.app.state.broadcaster.read(subscription, last):
        yield ServerSentEvent(
            id=str(event.id), event=event.type, data={"id": event.id, "time": event.time, **event.data()}
        )


async def rows_page(rows: Iterator[dict[str, Any]], start: int, limit: int) -> RowPage:
    """One page of rows; files are read in a thread."""
    items, following = await run_in_threadpool(files.page, rows, start, limit)
    return RowPage(items=items, next=None if following is None else str(following))


@router.get(
    "/{run}/patterns",
    summary="List failure patterns",
    responses=problems(404) | example(page_of(examples.PATTERN)),
)
async def patterns(paths: Folder, round: Round = None, start: Place = 0, limit: Limit = 100) -> RowPage:
    """Failure patterns, round by round."""
    return await rows_page(files.patterns(paths, round), start, limit)


@router.get(
    "/{run}/strategies",
    summary="List strategies",
    responses=problems(404) | example(page_of(examples.STRATEGY)),
)
async def strategies(paths: Folder, round: Round = None, start: Place = 0, limit: Limit = 100) -> RowPage:
    """The strategy for each pattern."""
    return await rows_page(files.strategies(paths, round), start, limit)


@router.get(
    "/{run}/samples", summary="List written rows", responses=problems(404) | example(page_of(examples.SAMPLE))
)
async def samples(
    paths: Folder,
    round: Round = None,
    verdict: Annotated[Verdict | None, Query()] = None,
    pattern: Annotated[str | None, Query(max_length=64)] = None,
    start: Place = 0,
    limit: Limit = 100,
) -> RowPage:
    """Every new row, with its verdict and reason."""
    return await rows_page(files.samples(paths, round, verdict, pattern), start, limit)


@router.get(
    "/{run}/predictions",
    summary="List predictions",
    responses=problems(404) | example(page_of(examples.PREDICTION)),
)
async def predictions(
    paths: Folder,
    round: Annotated[int, Query(ge=0, le=10_000)],
    split: Annotated[str, Query(pattern="^(validation|train)$")] = "validation",
    start: Place = 0,
    limit: Limit = 100,
) -> RowPage:
    """The student's answers in a round, with their scores."""
    return await rows_page(files.predictions(paths, round, split), start, limit)


async def report_of(paths: RunPaths) -> Report:
    """The last report; raises NotFound before there is one."""
    if not paths.report.exists():
        raise NotFound("This run has no report yet: it is written when the run pauses or ends.")
    return Report(**await run_in_threadpool(read_json, paths.report))


@router.get(
    "/{run}/rounds", summary="List rounds", responses=problems(404) | example(page_of(examples.ROUND))
)
async def rounds(paths: Folder, start: Place = 0, limit: Limit = 100) -> RowPage:
    """The rounds of the report: scores, patterns and their outcomes, what was fixed and broken."""
    reports = (await report_of(paths)).rounds
    return await rows_page((item.model_dump(mode="json") for item in reports), start, limit)


@router.get("/{run}/report", summary="Read the report", responses=problems(404))
async def report(paths: Folder) -> Report:
    """The whole report."""
    return await report_of(paths)


@router.get(
    "/{run}/report.html",
    summary="Read the report as a page",
    response_class=HTMLResponse,
    responses=problems(404) | example("<!doctype html>...", "text/html"),
)
async def report_page(paths: Folder) -> HTMLResponse:
    """The report as a page that needs no network."""
    if not paths.html.exists():
        raise NotFound("This run has no report yet: it is written when the run pauses or ends.")
    text = await run_in_threadpool(paths.html.read_text, "utf-8")
    # the page shows texts of models and rows, so it may load nothing and send nothing
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"
    return HTMLResponse(text, headers={"Content-Security-Policy": policy})


@router.get("/{run}/artifacts", summary="List files", responses=problems(404) | example(examples.ARTIFACTS))
async def artifacts(paths: Folder) -> Artifacts:
    """The files of a run: rows, predictions, adapters, reports."""
    return Artifacts(items=await run_in_threadpool(lambda: list(files.artifacts(paths))))


@router.get(
    "/{run}/artifacts/{path:path}",
    summary="Download a file",
    response_class=FileResponse,
    responses=problems(404, 416) | example("(the file)", "application/octet-stream"),
)
async def artifact(
    paths: Folder, path: Annotated[str, Path(description="As listed.", max_length=1000)]
) -> FileResponse:
    """One file; `Range` gives a part of it."""
    file = files.artifact(paths, path)
    return FileResponse(file, filename=file.name, media_type="application/octet-stream")


@router.get(
    "/{run}/lineage/{sample}", summary="Trace a row", responses=problems(404) | example(examples.LINEAGE)
)
async def lineage(paths: Folder, sample: Annotated[str, Path(max_length=100)]) -> files.Lineage:
    """The origin of a new row, and its outcome."""
    return await run_in_threadpool(files.lineage, paths, sample)
