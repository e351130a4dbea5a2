"""`/v1/runs/{run}/samples`: add a row to train on, and take it back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.datasets.service import run_module
from app.api.keys.auth import Caller, Writer
from app.api.problems import problems
from app.api.runs.dependencies import RunId, runs_of
from app.api.runs.schemas import AddedRow, RowRequest
from app.db.models import Run
from app.engine.row_text import Answer, RowText, next_step
from app.errors import Conflict, NotFound
from graphs import person_rows
from graphs.context import LoopSpec
from graphs.run_paths import RunPaths

router = APIRouter(prefix="/v1/runs", tags=["runs"])

RowId = Annotated[str, Path(pattern="^person-[0-9a-f]{12}$", description="Id of a row that a person added.")]


@router.post("/{run}/samples", summary="Add a row", status_code=201, responses=problems(404, 409))
async def add(request: Request, response: Response, run: RunId, body: RowRequest, caller: Writer) -> AddedRow:
    """Add a row with the right answer, such as to an input that a student gets wrong. It is kept apart, with the origin
    `person`. The run's next round checks it as it checks all new rows, and trains on it where it passes. The same row
    is added once, however often it is sent."""
    added = await add_row(request, caller, run, RowText(prompt=body.prompt, completion=body.completion))
    response.headers["Location"] = f"/v1/runs/{run}/lineage/{added.id}"
    return added


@router.delete(
    "/{run}/samples/{sample}", summary="Take back a row", status_code=204, responses=problems(404, 409)
)
async def remove(request: Request, run: RunId, sample: RowId, caller: Writer) -> Response:
    """Remove a row that a person added, as long as no round has taken it."""
    await remove_row(request, caller, run, sample)
    return Response(status_code=204)


async def add_row(request: Request, caller: Caller, name: str, text: RowText) -> AddedRow:
    """Have a row checked and kept.

    Raises:
        NotFound: there is no such run, or it belongs to another key.
        Conflict: the run cannot have rows yet, or has too many that wait.
    """
    run, paths = await _found(request, caller, name)
    if not paths.data_report.exists():
        raise Conflict("This run has not read its rows yet. Add the row once its first student is trained.")
    async with request.app.state.check_turn:
        output = await run_module(
            "app.engine.added_rows", str(paths.root), given=text.model_dump_json().encode()
        )
    answer = Answer.model_validate_json(output)
    if answer.row is None:
        raise Conflict(answer.fault)
    step = await run_in_threadpool(next_step, run.status, LoopSpec(**run.config["loop"]), paths)
    return AddedRow(id=answer.row.id, sample=answer.row.as_new_row(), next=step)


async def remove_row(request: Request, caller: Caller, name: str, row: str) -> None:
    """Remove a row that waits.

    Raises:
        NotFound: there is no such row, or no such run.
        Conflict: a round has taken it.
    """
    _, paths = await _found(request, caller, name)
    if number := (await run_in_threadpool(person_rows.taken, paths)).get(row):
        raise Conflict(f"Round {number} has taken this row.")
    if not paths.person_row(row).exists():
        raise NotFound(f"No person has added a row {row!r} to this run.")
    await run_in_threadpool(person_rows.remove, paths, row)


async def _found(request: Request, caller: Caller, name: str) -> tuple[Run, RunPaths]:
    async with request.app.state.reads() as session:
        runs = runs_of(request, session, caller)
        run = await runs.get(name)
        return run, runs.paths(run)
