"""`/comparisons`: the comparisons, live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app.api.comparisons import service
from app.api.comparisons.endpoints import ComparisonId, FoundComparison, comparisons_of
from app.api.comparisons.operations import Comparisons
from app.api.comparisons.progress import method_curves
from app.api.comparisons.schemas import ComparisonDetails
from app.api.keys.auth import Reader
from app.api.pages.rendering import page
from app.api.pages.routes import Budget, FormWriter, PageRoute, Token, check_token, frame
from app.db.models import Run
from app.engine.run_status import ENDED
from graphs.teacher.spec import BudgetSpec

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
    config = found.run.config["base"] if found.run else {}
    shown: dict[str, Any] = {
        "comparison": whole,
        "over": whole.finished or whole.status in ENDED,
        "budget": BudgetSpec(**config.get("budget", {})),
        **words_of(whole),
    }
    return page("comparison_state.html" if part else "comparison.html", **shown, **frame(request, who))


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
    return {"over": whole.finished or whole.status in ENDED, "charts": await run_in_threadpool(drawn, whole)}


def drawn(whole: ComparisonDetails) -> dict[str, Any]:
    """Name -> Vega-Lite specification: while it works the scores so far, at the end those of `compare.html`."""
    from app.compare import charts  # Altair takes a moment, and only pages with charts need it
    from app.report.charts import specs

    return (
        charts.charts(whole.results)
        if whole.results
        else specs({"curves": charts.curves(method_curves(whole.runs))})
    )


STEPS: dict[str, Callable[[Comparisons, str], Awaitable[Run]]] = {
    "pause": Comparisons.pause,
    "resume": Comparisons.resume,
    "cancel": Comparisons.cancel,
}


@router.post("/comparisons/{comparison}/budget")
async def raise_budget(
    request: Request, comparison: ComparisonId, who: FormWriter, budget: Budget, token: Token = ""
) -> Response:
    """Let a comparison that waits for a budget go on with another one, which counts for each of its runs."""
    check_token(request, who, token)
    async with request.app.state.sessions.begin() as session:
        await comparisons_of(request, session, who).resume(comparison, budget)
    return RedirectResponse(f"/comparisons/{comparison}", 303)


@router.post("/comparisons/{comparison}/{step}")
async def act(
    request: Request,
    comparison: ComparisonId,
    step: Annotated[Literal["pause", "resume", "cancel"], Path()],
    who: FormWriter,
    token: Token = "",
) -> Response:
    """Pause, resume or cancel a comparison that the service runs."""
    check_token(request, who, token)
    async with request.app.state.sessions.begin() as session:
        await STEPS[step](comparisons_of(request, session, who), comparison)
    return RedirectResponse(f"/comparisons/{comparison}", 303)
