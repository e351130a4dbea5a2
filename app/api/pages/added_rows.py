"""Rows that people add in the playground and take back, and rows to download."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from app.api.pages.playground import Field, unix
from app.api.pages.rendering import HEADERS, page
from app.api.pages.routes import FormWriter, PageRoute, Token, check_token
from app.api.runs.added_rows import add_row, remove_row
from app.api.runs.dependencies import Folder, Found, RunId
from app.api.runs.files import samples
from app.engine.row_text import RowText
from app.errors import PadaError
from graphs.methods import Origin
from graphs.rows import NewRow, Verdict

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/runs/{run}/rows.jsonl")
async def download(
    found: Found,
    paths: Folder,
    round: Annotated[int | None, Query(ge=0, le=10_000)] = None,
    verdict: Annotated[Verdict | None, Query()] = None,
    pattern: Annotated[str | None, Query(max_length=64)] = None,
    origin: Annotated[Origin | None, Query()] = None,
) -> StreamingResponse:
    """The rows that the page of rows shows, as train rows of a run."""
    rows = samples(paths, round, verdict, pattern, origin)
    lines = (json.dumps(NewRow(**row).training_row(), ensure_ascii=False) + "\n" for row in rows)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="rows-of-{found.id}.jsonl"'}
    return StreamingResponse(lines, media_type="application/jsonl", headers=headers)


@router.post("/runs/{run}/playground/row")
async def add(
    request: Request, run: RunId, who: FormWriter, prompt: Field, completion: Field, token: Token = ""
) -> Response:
    """Add a row; the answer is a part of the page: its verdict, and what happens to it."""
    check_token(request, who, token)
    shown: dict[str, Any] = {"run": run, "token": token, "row": None, "next_step": "", "fault": ""}
    try:
        added = await add_row(request, who, run, RowText.of(unix(prompt), unix(completion)))
        shown |= {"row": added.sample, "next_step": added.next}
    except PadaError as error:
        shown["fault"] = str(error)
    return page("playground_row.html", removed=False, **shown)


@router.post("/runs/{run}/rows/{row}/remove")
async def remove(
    request: Request,
    run: RunId,
    row: Annotated[str, Path(pattern="^person-[0-9a-f]{12}$")],
    who: FormWriter,
    token: Token = "",
    part: Annotated[bool, Header(alias="HX-Request")] = False,
) -> Response:
    """Take a row back; back to the rows of people, or a part of the page that asks."""
    check_token(request, who, token)
    await remove_row(request, who, run, row)
    if part:
        return page("playground_row.html", removed=True)
    return RedirectResponse(f"/runs/{run}/rows?origin=person", 303)
