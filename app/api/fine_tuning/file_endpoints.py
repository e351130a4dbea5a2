"""`/v1/files` as OpenAI's API has it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData, UploadFile

from app.api.datasets import service as datasets
from app.api.datasets.quotas import refuse_early
from app.api.fine_tuning import files, results
from app.api.fine_tuning.openapi_examples import UPLOAD
from app.api.fine_tuning.schemas import FILE, FileDeleted, FileObject, FilePage
from app.api.idempotency import Idempotent
from app.api.keys.auth import Reader, Writer
from app.api.openai_errors import OpenAIRoute, ParameterError, openai_errors
from app.db import datasets as dataset_repository
from app.db.pages import PageRequest
from app.settings import Settings

PATH = "/v1/files"
MOST_FIELDS = 10
router = APIRouter(prefix=PATH, tags=["fine-tuning"], route_class=OpenAIRoute, responses=openai_errors())


@router.post("", summary="Upload a file", response_model=FileObject, openapi_extra={"requestBody": UPLOAD})
async def upload(request: Request, caller: Writer, idempotent: Idempotent) -> JSONResponse:
    """A JSONL file of chats (`messages`) or of `prompt` and `completion`. Its rows are checked: a row that cannot be
    trained on is refused with its line."""
    settings: Settings = request.app.state.settings
    await refuse_early(request.app.state.reads, caller.owner, settings, idempotent.key)
    with datasets.incoming(settings) as folder:
        async with request.form(max_files=1, max_fields=MOST_FIELDS) as form:
            file = _file_of(form)
            received = await files.receive(file, folder, settings, request.app.state.check_turn)

        async def publish(session: AsyncSession) -> FileObject:
            return FileObject.of(
                await datasets.publish(session, caller.owner, received, settings, purpose=FILE)
            )

        return await idempotent.reply(publish, digest=received.digest)


def _file_of(form: FormData) -> UploadFile:
    unknown = next((name for name in form if name not in ("file", "purpose")), None)
    if unknown:
        raise ParameterError(f"{unknown[:100]}: unknown or not possible here; leave it out.", unknown[:100])
    if form.get("purpose") != FILE:
        raise ParameterError(f"purpose: files are for fine-tuning here. Give `{FILE}`.", "purpose")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ParameterError("file: missing. Send a JSONL file as multipart/form-data.", "file")
    return file


@router.get("", summary="List files")
async def list_files(
    request: Request,
    caller: Reader,
    after: Annotated[
        str | None, Query(max_length=100, description="Id of the last file of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    purpose: Annotated[str | None, Query(max_length=100, description="Only files of this purpose.")] = None,
) -> FilePage:
    """Your uploaded files, the newest first unless `order` says otherwise. Results of jobs are not listed."""
    async with request.app.state.reads() as session:
        last = await files.find(session, after, caller.sees, "after") if after else None
        page = PageRequest((last.created, last.id) if last else None, limit, order == "asc")
        shown = purpose in (None, FILE)
        rows, following = (
            await dataset_repository.get_page(session, caller.sees, page, purpose=FILE)
            if shown
            else ([], None)
        )
    return FilePage.of([FileObject.of(row) for row in rows], following is not None)


@router.get("/{file}", summary="Show a file")
async def show(request: Request, caller: Reader, file: str) -> FileObject:
    """An uploaded file, or the results of a job."""
    async with request.app.state.reads() as session:
        if job := await results.job_of(session, file, caller.sees):
            return await results.file_of(job, request.app.state.settings)
        return FileObject.of(await files.find(session, file, caller.sees, "id"))


@router.get(
    "/{file}/content",
    summary="Download a file",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {"example": "(the file)"}}}},
)
async def content(request: Request, caller: Reader, file: str) -> Response:
    """The bytes of a file as they were uploaded, or the results of a job as CSV."""
    settings: Settings = request.app.state.settings
    async with request.app.state.reads() as session:
        if job := await results.job_of(session, file, caller.sees):
            return Response(await results.csv_of(job, settings), media_type="application/octet-stream")
        row = await files.find(session, file, caller.sees, "id")
    return FileResponse(
        files.path_of(row, settings), filename=row.name, media_type="application/octet-stream"
    )


@router.delete("/{file}", summary="Delete a file")
async def delete(request: Request, caller: Writer, file: str) -> FileDeleted:
    """Removes the file, and the rows that jobs took from it. Refused while such a job has not ended."""
    state = request.app.state
    async with state.reads() as session:
        row = await files.find(session, file, caller.sees, "id")
    await datasets.delete(state.sessions, row.id, caller.sees, state.settings, purpose=FILE)
    return FileDeleted(id=f"{files.PREFIX}{row.id}")
