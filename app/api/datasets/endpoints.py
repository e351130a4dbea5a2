"""`/v1/datasets`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.datasets import service
from app.api.datasets.quotas import refuse_early
from app.api.datasets.schemas import UPLOAD, DataSetPage, DataSetView, view
from app.api.idempotency import Idempotent
from app.api.ids import id_path, refuse_unknown
from app.api.keys.auth import Reader, Writer
from app.api.pagination import PageQuery
from app.api.problems import problems
from app.db import datasets as dataset_repository
from app.db.engine import Sessions
from app.settings import Settings

PATH = "/v1/datasets"
router = APIRouter(prefix=PATH, tags=["datasets"])

Id = Annotated[
    str,
    id_path("Id of a data set.", examples=["3f0c1b7e5a9d4c2f8e6b0d1a2c3e4f50"]),
    refuse_unknown(service.MISSING),
]


@router.post(
    "",
    status_code=201,
    summary="Upload a data set",
    response_model=DataSetView,
    responses=problems(409, 413),
    openapi_extra={"requestBody": UPLOAD},
)
async def upload(request: Request, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """Three JSONL files, checked line by line: either the whole data set is there afterwards, or nothing."""
    settings: Settings = request.app.state.settings
    await refuse_early(request.app.state.reads, caller.owner, settings, idempotent.key)
    with service.incoming(settings) as folder:
        kind = request.headers.get("content-type", "")
        received = await service.receive(
            request.stream(), kind, folder, settings, request.app.state.check_turn
        )

        async def publish(session: AsyncSession) -> DataSetView:
            return view(await service.publish(session, caller.owner, received, settings))

        return await idempotent.reply(publish, 201, location=f"{PATH}/{{id}}", digest=received.digest)


@router.get("", summary="List data sets", responses=problems())
async def list_datasets(request: Request, caller: Reader, page: PageQuery) -> DataSetPage:
    """The newest first, in pages."""
    reads: Sessions = request.app.state.reads
    async with reads() as session:
        rows, cursor = await dataset_repository.get_page(session, caller.sees, page)
    return DataSetPage(items=[view(row) for row in rows], next=cursor)


@router.get("/{id}", summary="Show a data set", responses=problems(404))
async def show(request: Request, caller: Reader, id: Id) -> DataSetView:
    """Its name, and the rows, bytes and digest of each file."""
    reads: Sessions = request.app.state.reads
    async with reads() as session:
        return view(await service.find(session, id, caller.sees))


@router.delete("/{id}", status_code=204, summary="Delete a data set", responses=problems(404, 409))
async def delete(request: Request, caller: Writer, id: Id) -> Response:
    """Refused while a run that has not ended uses it."""
    state = request.app.state
    await service.delete(state.sessions, id, caller.sees, state.settings)
    return Response(status_code=204)
