"""`/v1/comparisons`: the comparisons of `pada compare`, while they work and afterwards."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from app.api.comparisons import service
from app.api.comparisons.schemas import ComparisonDetails, ComparisonPage
from app.api.ids import id_path, refuse_unknown
from app.api.keys.auth import Reader
from app.api.problems import problems
from app.api.runs.openapi_examples import example
from app.api.runs.results import REPORT_POLICY
from app.compare.record import PAGE
from app.errors import NotFound
from graphs.run_paths import RunPaths

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"])

ComparisonId = Annotated[str, id_path("Id of the comparison."), refuse_unknown(service.MISSING)]
HTML = problems(404) | example("<!doctype html>...", "text/html")


async def comparison_of(request: Request, caller: Reader, comparison: ComparisonId) -> service.Found:
    """The comparison that a GET is about; its owner and admins see it."""
    return await run_in_threadpool(service.find, request.app.state.settings, caller.sees, comparison)


FoundComparison = Annotated[service.Found, Depends(comparison_of)]


@router.get("", summary="List comparisons", responses=problems())
async def list_comparisons(request: Request, caller: Reader) -> ComparisonPage:
    """Your comparisons, the newest first, all on one page."""
    found = await run_in_threadpool(service.find_all, request.app.state.settings, caller.sees)
    followed = request.app.state.followed
    items = [await run_in_threadpool(service.view, each, followed) for each in found]
    return ComparisonPage(items=items, next=None)


@router.get("/{comparison}", summary="Show a comparison", responses=problems(404))
async def show(request: Request, found: FoundComparison) -> ComparisonDetails:
    """Its runs as they are now and, at the end, what `compare.json` holds."""
    return await run_in_threadpool(service.details, found, request.app.state.followed)


@router.get(
    "/{comparison}/compare.html",
    summary="Read the results as a page",
    response_class=HTMLResponse,
    responses=HTML,
)
async def results_page(found: FoundComparison) -> HTMLResponse:
    """The results as a page that needs no network."""
    path = found.folder / PAGE
    if not path.is_file():
        raise NotFound("This comparison has no results yet: they are written when its last run has ended.")
    text = await run_in_threadpool(path.read_text, "utf-8")
    return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})


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
    paths = RunPaths(found.folder / method / f"seed-{seed}")
    if not paths.html.is_file():
        raise NotFound("This run has no report yet: it is written when the run pauses or ends.")
    text = await run_in_threadpool(paths.html.read_text, "utf-8")
    return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})
