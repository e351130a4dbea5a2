"""`/comparisons`: the comparisons of `pada compare`, live."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from app.api.comparisons import service
from app.api.comparisons.endpoints import FoundComparison
from app.api.comparisons.progress import method_curves
from app.api.comparisons.schemas import ComparisonDetails
from app.api.keys.auth import Reader
from app.api.pages.rendering import page
from app.api.pages.routes import PageRoute, frame

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/comparisons")
async def comparisons(request: Request, who: Reader, part: bool = False) -> Response:
    """The caller's comparisons, newest first; `part` is the table alone."""
    state = request.app.state
    found = await service.find_all(state.reads, state.settings, who.sees)
    views = [await run_in_threadpool(service.view, each, state.followed) for each in found]
    template = "comparisons_table.html" if part else "comparisons.html"
    return page(template, comparisons=views, **frame(request, who))


@router.get("/comparisons/{comparison}")
async def comparison(request: Request, found: FoundComparison, who: Reader, part: bool = False) -> Response:
    """One comparison; `part` is what changes while it works."""
    whole = await run_in_threadpool(service.details, found, request.app.state.followed)
    template = "comparison_state.html" if part else "comparison.html"
    return page(template, comparison=whole, **words_of(whole), **frame(request, who))


def words_of(whole: ComparisonDetails) -> dict[str, Any]:
    """The results in words, as the report of a comparison has them."""
    from app.compare.wording import basis, headline

    if whole.results is None:
        return {"headline": "", "basis": ""}
    return {"headline": headline(whole.results), "basis": basis(whole.results)}


@router.get("/comparisons/{comparison}/charts")
async def charts(request: Request, found: FoundComparison) -> dict[str, Any]:
    """The charts of a comparison, as Vega-Lite specifications, and whether they change no more."""
    whole = await run_in_threadpool(service.details, found, request.app.state.followed)
    return {"over": whole.finished, "charts": await run_in_threadpool(drawn, whole)}


def drawn(whole: ComparisonDetails) -> dict[str, Any]:
    """Name -> Vega-Lite specification: while it works the scores so far, at the end those of `compare.html`."""
    from app.compare import charts  # Altair takes a moment, and only pages with charts need it
    from app.report.charts import specs

    return (
        charts.charts(whole.results)
        if whole.results
        else specs({"curves": charts.curves(method_curves(whole.runs))})
    )
