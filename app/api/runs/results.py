"""`/v1/runs/{run}/...`: rows, reports and files that a run has produced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse, HTMLResponse
from starlette.concurrency import run_in_threadpool

from app.api.problems import problems
from app.api.runs import files
from app.api.runs import openapi_examples as examples
from app.api.runs.dependencies import Folder
from app.api.runs.openapi_examples import example, page_of
from app.api.runs.schemas import Artifacts, RowPage
from app.errors import NotFound
from graphs.methods import Origin
from graphs.report import Report
from graphs.rows import Verdict
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"
"""Of a report as a page: it shows texts of models and rows, so it may load nothing and send nothing."""
NO_REPORT = "This run has no report yet: it is written when the run pauses or ends."

router = APIRouter(prefix="/v1/runs", tags=["runs"])

Round = Annotated[int | None, Query(ge=0, le=10_000, description="Of this round only.")]
Offset = Annotated[int, Query(alias="cursor", ge=0, le=10**9, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Rows of a page, at most.")]


async def rows_page(rows: Iterator[dict[str, Any]], start: int, limit: int) -> RowPage:
    """One page of rows; files are read in a thread."""
    items, following = await run_in_threadpool(files.page, rows, start, limit)
    return RowPage(items=items, next=None if following is None else str(following))


@router.get(
    "/{run}/patterns",
    summary="List failure patterns",
    responses=problems(404) | example(page_of(examples.PATTERN)),
)
async def patterns(paths: Folder, round: Round = None, start: Offset = 0, limit: Limit = 100) -> RowPage:
    """Failure patterns, round by round."""
    return await rows_page(files.patterns(paths, round), start, limit)


@router.get(
    "/{run}/strategies",
    summary="List strategies",
    responses=problems(404) | example(page_of(examples.STRATEGY)),
)
async def strategies(paths: Folder, round: Round = None, start: Offset = 0, limit: Limit = 100) -> RowPage:
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
    origin: Annotated[Origin | None, Query(description="`person`: the rows that people added.")] = None,
    start: Offset = 0,
    limit: Limit = 100,
) -> RowPage:
    """Every new row, with its verdict and reason. Rows of people that no round has decided on are of round 0."""
    return await rows_page(files.samples(paths, round, verdict, pattern, origin), start, limit)


@router.get(
    "/{run}/predictions",
    summary="List predictions",
    responses=problems(404) | example(page_of(examples.PREDICTION)),
)
async def predictions(
    paths: Folder,
    round: Annotated[int, Query(ge=0, le=10_000)],
    split: Annotated[str, Query(pattern="^(validation|train)$")] = "validation",
    start: Offset = 0,
    limit: Limit = 100,
) -> RowPage:
    """The student's answers in a round, with their scores."""
    return await rows_page(files.predictions(paths, round, split), start, limit)


async def report_of(paths: RunPaths) -> Report:
    """The last report; raises NotFound before there is one."""
    if not paths.report.exists():
        raise NotFound(NO_REPORT)
    return Report(**await run_in_threadpool(read_json, paths.report))


async def html_page(file: FilePath, missing: str) -> HTMLResponse:
    """A report as a page; raises NotFound with the text `missing` where there is none."""
    try:
        text = await run_in_threadpool(file.read_text, "utf-8")
    except FileNotFoundError:
        raise NotFound(missing) from None
    return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})


@router.get(
    "/{run}/rounds", summary="List rounds", responses=problems(404) | example(page_of(examples.ROUND))
)
async def rounds(paths: Folder, start: Offset = 0, limit: Limit = 100) -> RowPage:
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
    return await html_page(paths.html, NO_REPORT)


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
