"""`/tables/{table}`: an uploaded file, what was guessed of it, and a person's corrections. What is guessed comes from `pada init`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData, QueryParams, UploadFile

from app.api.datasets import service as datasets
from app.api.datasets import tables
from app.api.datasets.preparation import Corrections
from app.api.datasets.quotas import refuse_early
from app.api.ids import id_path, refuse_unknown
from app.api.keys.auth import Caller
from app.api.pages.new_run import TABLES, choose
from app.api.pages.rendering import page
from app.api.pages.routes import FormWriter, PageRoute, check_token, frame
from app.db.models import DataSet
from app.errors import TooLarge, Unprocessable
from app.prepare.layout import NONE
from app.prepare.preview import LABELS, Preview
from app.prepare.tables import InputError
from app.settings import Settings
from trainer.tasks import known_tasks

TableId = Annotated[str, id_path("Id of an uploaded file."), refuse_unknown(tables.MISSING)]
MOST_FIELDS = 60

ENCODINGS = (
    "utf-8",
    "utf-16",
    "cp1252",
    "cp1250",
    "cp1251",
    "mac_roman",
    "shift_jis",
    "gb18030",
    "big5",
    "euc_kr",
)
SEPARATORS = {",": "comma", ";": "semicolon", "tab": "tab", "|": "vertical bar"}
HEADER = {"yes": "the first row names the columns", "no": "the first row is a row"}

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post(TABLES)
async def upload(
    request: Request, who: FormWriter, token: Annotated[str, Query(max_length=500)] = ""
) -> Response:
    """Take one file as people have it. It is read here, and not by the framework, which would take it before it knows
    who sends it."""
    check_token(request, who, token)
    state, settings = request.app.state, request.app.state.settings
    await tables.delete_old(state.sessions, who.owner, settings)
    await refuse_early(state.reads, who.owner, settings)
    with datasets.incoming(settings) as folder:
        try:
            async with request.form(max_files=1, max_fields=0) as filled:
                file = filled.get("file")
                if not isinstance(file, UploadFile):
                    raise InputError("A file is needed.")
                received = await tables.receive(file, folder, state.check_turn)
        except (InputError, TooLarge) as error:
            return await choose(request, who, fault=str(error))
        async with state.sessions.begin() as session:
            row = await tables.publish(session, who.owner, received, settings)
    return RedirectResponse(f"/tables/{row.id}", 303)


@router.get("/tables/{table}")
async def show(request: Request, table: TableId, who: FormWriter, changed: bool = False) -> Response:
    """The rows and every guess, with the corrections in the address."""
    state, settings = request.app.state, request.app.state.settings
    async with state.reads() as session:
        row = await tables.find(session, table, who.sees)
    said = corrections_in(request.query_params)
    seen = await tables.look(row, said, settings, state.check_turn)
    return shown(request, who, row, said, seen, changed=changed)


def shown(
    request: Request,
    who: Caller,
    row: DataSet,
    said: Corrections,
    seen: Preview,
    *,
    changed: bool = False,
    status: int = 200,
) -> Response:
    """The page of a file."""
    content: dict[str, Any] = {
        "table": row,
        "said": said,
        "seen": seen,
        "changed": changed,
        "query": query_of(said),
        "labels": LABELS,
        "tasks": dict.fromkeys(known_tasks()),
        "encodings": ENCODINGS,
        "separators": SEPARATORS,
        "headers": HEADER,
        "no_group": NONE,
    }
    return page("table.html", status, **content, **frame(request, who))


@router.post("/tables/{table}")
async def take(request: Request, table: TableId, who: FormWriter) -> Response:
    """Make a data set of the file. What was changed after the rows were shown is shown first."""
    state, settings = request.app.state, request.app.state.settings
    async with request.form(max_fields=MOST_FIELDS, max_files=0) as filled:
        check_token(request, who, str(filled.get("token", "")))
        said = corrections_in(filled)
    if said != corrections_in(request.query_params):
        return RedirectResponse(f"/tables/{table}?{query_of(said)}&changed=1", 303)
    async with state.reads() as session:
        row = await tables.find(session, table, who.sees)
    return await _make(request, who, row, said, settings)


async def _make(
    request: Request, who: Caller, row: DataSet, said: Corrections, settings: Settings
) -> Response:
    state = request.app.state
    with datasets.incoming(settings) as folder:
        try:
            received, made = await tables.take(row, said, folder, settings, state.check_turn)
        except (InputError, TooLarge) as error:
            seen = await tables.look(row, said, settings, state.check_turn)
            return shown(request, who, row, said, seen.model_copy(update={"fault": str(error)}), status=422)
        async with state.sessions.begin() as session:
            dataset = await tables.make_once(session, row, received, settings)
    return RedirectResponse(f"/new?{urlencode({'dataset': dataset.id, 'task': made.task})}", 303)


def corrections_in(values: FormData | QueryParams) -> Corrections:
    """What is filled in; empty fields are left to the guess.

    Raises:
        Unprocessable: a value cannot be.
    """
    given: dict[str, Any] = {name: str(values[name]) for name in Corrections.model_fields if values.get(name)}
    given["prompt"] = [str(name) for name in values.getlist("prompt") if name]
    try:
        return Corrections.model_validate(given)
    except ValidationError as error:
        fault = error.errors()[0]
        raise Unprocessable(f"{LABELS.get(str(fault['loc'][0]), 'A field')}: {fault['msg']}.") from None


def query_of(said: Corrections) -> str:
    """The corrections as the query of an address."""
    given = said.model_dump(exclude_defaults=True, exclude_none=True)
    if said.header is not None:
        given["header"] = "yes" if said.header else "no"
    return urlencode(given, doseq=True)
