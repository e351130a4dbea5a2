"""`/v1/runs`: start, list, follow and control runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.idempotency import Idempotent
from app.api.keys.auth import Caller, Reader, Writer
from app.api.pagination import PageQuery
from app.api.problems import problems
from app.api.runs import openapi_examples as examples
from app.api.runs.dependencies import Found, RunId, runs_of
from app.api.runs.event_stream import RunSubscription
from app.api.runs.schemas import (
    ResumeRequest,
    RunPage,
    RunRequest,
    RunView,
)
from app.api.runs.service import Runs
from app.db import runs as run_repository
from app.db.models import Run
from app.engine.run_status import RunStatus
from graphs.review import ReviewAnswer

router = APIRouter(prefix="/v1/runs", tags=["runs"])

AS_BEFORE = ResumeRequest()
Step = Callable[[Runs], Awaitable[Run]]


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
async def resume(
    request: Request,
    run: RunId,
    caller: Writer,
    idempotent: Idempotent,
    body: ResumeRequest = AS_BEFORE,
) -> JSONResponse:
    """Continue a paused or failed run from where it was, with another budget where one is given."""
    return await change(request, caller, idempotent, lambda runs: runs.resume(run, body.budget))


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
    """Answer the review that a run waits for, of patterns and strategies or of rows (the run's `review` tells
    which): an empty answer leaves all as it is."""
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
    response_class=StreamingResponse,
    responses=problems(404) | examples.EVENT_STREAM,
)
async def events(
    request: Request,
    subscription: Annotated[RunSubscription, Depends(subscribed)],
    last: Annotated[
        int, Header(alias="Last-Event-ID", ge=0, le=10**15, description="Id of the last event that was read.")
    ] = 0,
) -> StreamingResponse:
    """The events of a run, from any point on. The stream ends with the run."""
    events = request.app.state.broadcaster.read(subscription, last)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)
