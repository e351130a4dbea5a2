"""`/data-sets`: what was uploaded, and its removal."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.api.datasets import service as datasets
from app.api.datasets.endpoints import Id
from app.api.datasets.schemas import view
from app.api.keys.auth import Reader
from app.api.pages.rendering import page
from app.api.pages.routes import FormWriter, PageRoute, Token, check_token, frame
from app.api.pagination import PageQuery
from app.db import datasets as dataset_repository

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/data-sets")
async def data_sets(request: Request, who: Reader, query: PageQuery) -> Response:
    """The caller's data sets, newest first."""
    async with request.app.state.reads() as session:
        found, cursor = await dataset_repository.get_page(session, who.sees, query)
    shown: dict[str, Any] = {"datasets": [view(row) for row in found], "next": cursor}
    return page("data_sets.html", **shown, **frame(request, who))


@router.post("/data-sets/{id}/delete")
async def delete(request: Request, id: Id, who: FormWriter, token: Token = "") -> Response:
    """Delete a data set that no unfinished run uses."""
    check_token(request, who, token)
    await datasets.delete(request.app.state.sessions, id, who.sees, request.app.state.settings)
    return RedirectResponse("/data-sets", 303)
