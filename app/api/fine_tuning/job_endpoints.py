"""`/v1/fine_tuning/jobs` as OpenAI's API has it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import QueryParams

from app.api.datasets import service as datasets
from app.api.fine_tuning import jobs, results
from app.api.fine_tuning.events import event_view, number_of
from app.api.fine_tuning.schemas import CheckpointPage, Job, JobEventPage, JobPage, JobRequest
from app.api.idempotency import Idempotent
from app.api.keys.auth import Caller, Reader, Writer
from app.api.openai_errors import NoSuchObjectError, OpenAIRoute, ParameterError, openai_errors
from app.api.runs.dependencies import runs_of
from app.api.runs.service import Runs
from app.db import run_events as event_repository
from app.db import runs as run_repository
from app.db.models import Run
from app.db.pages import PageRequest
from app.engine.events import RoundScore
from app.settings import Settings

PATH = "/v1/fine_tuning/jobs"
FILTER = re.compile(r"metadata\[(.{1,64})\]", re.DOTALL)
METADATA: dict[str, Any] = {
    "name": "metadata",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "`metadata[KEY]=VALUE`: only jobs whose metadata have this.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
router = APIRouter(prefix=PATH, tags=["fine-tuning"], route_class=OpenAIRoute, responses=openai_errors())

After = Annotated[str | None, Query(max_length=100, description="Id of the last item of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Step = Callable[[Runs, str], Awaitable[Run]]


@router.post("", summary="Create a job", response_model=Job)
async def create(request: Request, body: JobRequest, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Start a run on an uploaded file. Validation rows, unless they have a file of their own, and test rows are taken
    out of it."""
    state, settings = request.app.state, request.app.state.settings
    async with state.reads() as session:
        found = await jobs.JobFiles.find(session, body, caller.sees)
    with datasets.incoming(settings) as folder:
        received, config = await jobs.prepare(body, found, folder, settings, state.check_turn)

        async def start(session: AsyncSession) -> Job:
            files = await jobs.JobFiles.find(session, body, caller.sees, lock=True)  # they are still there
            run = await jobs.start(runs_of(request, session, caller), body, files, received, config)
            return await jobs.view(run, settings)

        return await idempotent.reply(start)


@router.get("", summary="List jobs", openapi_extra={"parameters": [METADATA]})
async def list_jobs(request: Request, caller: Reader, after: After = None, limit: Limit = 20) -> JobPage:
    """Your jobs, the newest first."""
    settings: Settings = request.app.state.settings
    metadata = _wanted(request.query_params)
    async with request.app.state.reads() as session:
        last = await jobs.find(runs_of(request, session, caller), after, "after") if after else None
        page = PageRequest((last.created, last.id) if last else None, limit)
        runs, following = await run_repository.get_job_page(session, caller.sees, metadata, page)
    return JobPage.of([await jobs.view(run, settings) for run in runs], following is not None)


def _wanted(query: QueryParams) -> dict[str, str]:
    """The metadata that a list of jobs is for."""
    wanted = {found[1]: value for key, value in query.items() if (found := FILTER.fullmatch(key))}
    for key, value in wanted.items():
        # a database compares keys as JSON writes them
        if json.dumps(key) != f'"{key}"' or "\0" in value:
            raise ParameterError(
                "metadata: jobs are found by keys in ASCII without quotes and backslashes.", "metadata"
            )
    return wanted


@router.get("/{job}", summary="Show a job")
async def show(request: Request, caller: Reader, job: str) -> Job:
    """Its status, and once it has succeeded the name of the model."""
    return await jobs.view(await _job(request, caller, job), request.app.state.settings)


async def _job(request: Request, caller: Caller, job: str) -> Run:
    async with request.app.state.reads() as session:
        return await jobs.find(runs_of(request, session, caller), job)


async def _change(
    request: Request, caller: Caller, idempotent: Idempotent, job: str, step: Step
) -> JSONResponse:
    """Change a job, in one transaction."""

    async def handle(session: AsyncSession) -> Job:
        runs = runs_of(request, session, caller)
        run = await step(runs, (await jobs.find(runs, job)).id)
        return await jobs.view(run, request.app.state.settings)

    return await idempotent.reply(handle)


@router.post("/{job}/cancel", summary="Cancel a job", response_model=Job)
async def cancel(request: Request, job: str, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Cancel a job. One that works stops within seconds; until then its status is still `running`."""
    return await _change(request, caller, idempotent, job, Runs.cancel)


@router.post("/{job}/pause", summary="Pause a job", response_model=Job)
async def pause(request: Request, job: str, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Pause a job until it is resumed. One that works stops within seconds."""
    return await _change(request, caller, idempotent, job, Runs.pause)


@router.post("/{job}/resume", summary="Resume a job", response_model=Job)
async def resume(request: Request, job: str, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Continue a paused or failed job from where it was."""
    return await _change(request, caller, idempotent, job, Runs.resume)


@router.get("/{job}/events", summary="List the events of a job")
async def events(
    request: Request, caller: Reader, job: str, after: After = None, limit: Limit = 20
) -> JobEventPage:
    """What has happened, the newest first. `GET /v1/runs/{run}/events` is the same as a stream."""
    run = await _job(request, caller, job)
    before = number_of(run.id, after) if after else None
    async with request.app.state.reads() as session:
        found = await event_repository.get_last_events(session, run.id, limit + 1, before)
    return JobEventPage.of([event_view(run.id, event) for event in found[:limit]], len(found) > limit)


@router.get("/{job}/checkpoints", summary="List the checkpoints of a job")
async def checkpoints(
    request: Request, caller: Reader, job: str, after: After = None, limit: Limit = 10
) -> CheckpointPage:
    """The students that were trained and scored, one a round, the newest first."""
    run = await _job(request, caller, job)
    async with request.app.state.reads() as session:
        scores = await event_repository.get_events_of(session, run.id, RoundScore)
    found = await results.checkpoints(run, scores, request.app.state.settings)
    if after is not None:
        ids = [checkpoint.id for checkpoint in found]
        if after not in ids:
            raise NoSuchObjectError(f"No such checkpoint of this job: {after}", "after")
        found = found[ids.index(after) + 1 :]
    return CheckpointPage.of(found[:limit], len(found) > limit)
