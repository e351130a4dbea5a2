"""`/new`: a data set, a config, and the run that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import UploadFile

from app.api.datasets import service as datasets
from app.api.datasets.quotas import refuse_early
from app.api.datasets.schemas import view
from app.api.keys.auth import Caller, Reader
from app.api.pages.rendering import page
from app.api.pages.routes import FormWriter, PageRoute, Token, check_token, frame
from app.api.runs.dependencies import runs_of
from app.api.runs.schemas import RunRequest
from app.config.run_config import parse_text
from app.db import datasets as dataset_repository
from app.db.pages import PageRequest
from app.errors import ConfigError, NotFound, TooLarge, TooManyRequests
from app.prepare.tables import ENDINGS, InputError
from app.settings import Settings

UPLOADS = "/datasets"
"""Takes uploads: its body may be long, and is read in pieces."""

TABLES = "/prepare"
"""Takes one file of any kind that `pada init` reads."""

SHOWN = 100
"""Data sets to choose from, the newest."""

EXAMPLE = """\
task: classification
student:
  model: builtin:smollm2-135m
teacher:
  base_url: https://api.openai.com/v1
  model: gpt-5-mini
loop:
  rounds: 3
  synthetic_per_round: 50
budget:
  max_usd: 5
"""

router = APIRouter(include_in_schema=False, route_class=PageRoute)


async def form(
    request: Request,
    who: Caller,
    *,
    config: str = EXAMPLE,
    dataset: str = "",
    fault: str = "",
    notes: Sequence[str] = (),
) -> Response:
    """The form, with what was already filled in, and what is to be said about it."""
    async with request.app.state.reads() as session:
        rows, _ = await dataset_repository.get_page(session, who.sees, PageRequest(None, SHOWN))
    shown: dict[str, Any] = {"config": config, "dataset": dataset, "fault": fault, "notes": notes}
    shown |= {"datasets": [view(row) for row in rows], "endings": ",".join((*ENDINGS, ".gz"))}
    return page("new.html", 422 if fault else 200, **shown, **frame(request, who))


@router.get("/new")
async def new(request: Request, who: Reader, dataset: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Asks for what a run needs."""
    return await form(request, who, dataset=dataset)


@router.post("/new")
async def start(
    request: Request,
    who: FormWriter,
    dataset: Annotated[str, Form(max_length=64)] = "",
    config: Annotated[str, Form(max_length=100_000)] = "",
    token: Token = "",
) -> Response:
    """Start the run, or show the form again with what is wrong."""
    check_token(request, who, token)
    try:
        body = RunRequest(config=parse_text(config, "config"), dataset=dataset or None)
        async with request.app.state.sessions.begin() as session:
            run = await runs_of(request, session, who).start(body)
    except (ConfigError, NotFound, TooManyRequests) as error:
        return await form(request, who, config=config, dataset=dataset, fault=str(error))
    return RedirectResponse(f"/runs/{run.id}", 303)


@router.post(UPLOADS)
async def upload(
    request: Request, who: FormWriter, token: Annotated[str, Query(max_length=500)] = ""
) -> Response:
    """Take the three files of a data set. The token is in the address, because the body is a data set and nothing else."""
    check_token(request, who, token)
    settings: Settings = request.app.state.settings
    await refuse_early(request.app.state.reads, who.owner, settings)
    with datasets.incoming(settings) as folder:
        kind = request.headers.get("content-type", "")
        received = await datasets.receive(
            request.stream(), kind, folder, settings, request.app.state.check_turn
        )
        async with request.app.state.sessions.begin() as session:
            row = await datasets.publish(session, who.owner, received, settings)
    return RedirectResponse(f"/new?dataset={row.id}", 303)


@router.post(TABLES)
async def prepare(
    request: Request, who: FormWriter, token: Annotated[str, Query(max_length=500)] = ""
) -> Response:
    """Make a data set of one file as people have it, and show a config for it and what was guessed.

    The file is read here, and not by the framework, which would take it before it knows who sends it.
    """
    check_token(request, who, token)
    settings: Settings = request.app.state.settings
    await refuse_early(request.app.state.reads, who.owner, settings)
    with datasets.incoming(settings) as folder:
        try:
            async with request.form(max_files=1, max_fields=0) as filled:
                file = filled.get("file")
                if not isinstance(file, UploadFile):
                    raise InputError("A file is needed.")
                received, made = await datasets.receive_table(
                    file, folder, settings, request.app.state.check_turn
                )
        except (InputError, TooLarge) as error:
            return await form(request, who, fault=str(error))
        async with request.app.state.sessions.begin() as session:
            row = await datasets.publish(session, who.owner, received, settings)
    return await form(request, who, config=made.config, dataset=row.id, notes=made.notes)
