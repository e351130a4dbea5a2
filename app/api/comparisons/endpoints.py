"""`/v1/comparisons`: start, watch and control comparisons; those of `pada compare` are shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from app.api.comparisons import service
from app.api.comparisons.operations import Comparisons
from app.api.comparisons.schemas import (
    ComparisonDetails,
    ComparisonPage,
    ComparisonRequest,
    ComparisonView,
)
from app.api.idempotency import Idempotent
from app.api.ids import id_path, refuse_unknown
from app.api.keys.auth import Caller, Reader, Writer
from app.api.problems import problems
from app.api.runs.endpoints import AS_BEFORE
from app.api.runs.openapi_examples import example
from app.api.runs.results import NO_REPORT, html_page
from app.api.runs.schemas import ResumeRequest
from app.compare.record import PAGE, run_paths
from app.db.models import Run
from app.errors import NotFound

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"])

ComparisonId = Annotated[str, id_path("Id of the comparison."), refuse_unknown(service.MISSING)]
HTML = problems(404) | example("<!doctype html>...", "text/html")


Step = Callable[[Comparisons], Awaitable[Run]]


def comparisons_of(request: Request, session: AsyncSession, caller: Caller) -> Comparisons:
    """The operations on the caller's comparisons, in one transaction."""
    return Comparisons(session, request.app.state.settings, caller.owner, everybody=caller.sees is None)


async def comparison_of(request: Request, caller: Reader, comparison: ComparisonId) -> service.Found:
    """The comparison that a GET is about; its owner and admins see it."""
    state = request.app.state
    return await service.find(state.reads, state.settings, caller.sees, comparison)


FoundComparison = Annotated[service.Found, Depends(comparison_of)]


async def change(
    request: Request, caller: Caller, idempotent: Idempotent, step: Step, location: str = ""
) -> JSONResponse:
    """Start or change a comparison, in one transaction."""
    state = request.app.state

    async def handle(session: AsyncSession) -> ComparisonView:
        run = await step(comparisons_of(request, session, caller))
        return await run_in_threadpool(service.view, service.found_of(run, state.settings), state.followed)

    return await idempotent.reply(handle, 202, location=location)


@router.post(
    "",
    summary="Start a comparison",
    status_code=202,
    response_model=ComparisonView,
    responses=problems(404, 409, 413),
)
async def start(
    request: Request, body: ComparisonRequest, caller: Writer, idempotent: Idempotent
) -> JSONResponse:
    """Start a comparison. It is worked on as a run is, and counts as one: its runs take their turns within it."""
    return await change(
        request, caller, idempotent, lambda own: own.start(body), location="/v1/comparisons/{id}"
    )


@router.get("", summary="List comparisons", responses=problems())
async def list_comparisons(request: Request, caller: Reader) -> ComparisonPage:
    """Your comparisons, the newest first, all on one page."""
    followed = request.app.state.followed
    found = await service.find_all(request.app.state.reads, request.app.state.settings, caller.sees)
    items = [await run_in_threadpool(service.view, each, followed) for each in found]
    return ComparisonPage(items=items, next=None)


@router.get("/{comparison}", summary="Show a comparison", responses=problems(404))
async def show(request: Request, found: FoundComparison) -> ComparisonDetails:
    """Its runs as they are now and, at the end, what `compare.json` holds."""
    return await run_in_threadpool(service.details, found, request.app.state.followed)


@router.post(
    "/{comparison}/cancel",
    summary="Cancel a comparison",
    status_code=202,
    response_model=ComparisonView,
    responses=problems(404, 409),
)
async def cancel(
    request: Request, comparison: ComparisonId, caller: Writer, idempotent: Idempotent
) -> JSONResponse:
    """Cancel a comparison that the service runs. Its trainers stop within seconds; what its runs have stays."""
    return await change(request, caller, idempotent, lambda own: own.cancel(comparison))


@router.post(
    "/{comparison}/pause",
    summary="Pause a comparison",
    status_code=202,
    response_model=ComparisonView,
    responses=problems(404, 409),
)
async def pause(
    request: Request, comparison: ComparisonId, caller: Writer, idempotent: Idempotent
) -> JSONResponse:
    """Pause a comparison that the service runs until it is resumed."""
    return await change(request, caller, idempotent, lambda own: own.pause(comparison))


@router.post(
    "/{comparison}/resume",
    summary="Resume a comparison",
    status_code=202,
    response_model=ComparisonView,
    responses=problems(404, 409),
)
async def resume(
    request: Request,
    comparison: ComparisonId,
    caller: Writer,
    idempotent: Idempotent,
    body: ResumeRequest = AS_BEFORE,
) -> JSONResponse:
    """Continue a paused or failed comparison from where it was. A budget counts for each of its runs."""
    return await change(request, caller, idempotent, lambda own: own.resume(comparison, body.budget))


@router.get(
    "/{comparison}/compare.html",
    summary="Read the results as a page",
    response_class=HTMLResponse,
    responses=HTML,
)
async def results_page(found: FoundComparison) -> HTMLResponse:
    """The results as a page that needs no network."""
    return await html_page(
        found.folder / PAGE,
        "This comparison has no results yet: they are written when its last run has ended.",
    )


@router.get(
    "/{comparison}/{method}/{seed}/report.html",
    summary="Read the report of one run as a page",
    response_class=HTMLResponse,
    responses=HTML,
)
async def report_page(found: FoundComparison, method: str, seed: int) -> HTMLResponse:
    """The report of the run of a method with a seed."""
    if method not in found.record.methods or seed not in found.record.seeds:
        raise NotFound("This comparison has no such run.")
    return await html_page(run_paths(found.folder, method, seed).html, NO_REPORT)
