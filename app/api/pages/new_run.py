"""`/new`: a data set, the settings that are proposed for it, what a run would take, and the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from app.api.datasets import service as datasets
from app.api.datasets import tables
from app.api.datasets.quotas import refuse_early
from app.api.datasets.schemas import view
from app.api.keys.auth import Caller, Reader
from app.api.pages.rendering import page
from app.api.pages.routes import FormWriter, PageRoute, Token, check_token, frame
from app.api.pages.setting_names import METHODS, NAMES
from app.api.runs.dependencies import runs_of
from app.api.runs.estimate import estimate
from app.api.runs.schemas import RunRequest
from app.config.run_config import parse_text
from app.db import datasets as dataset_repository
from app.db.pages import PageRequest
from app.errors import ConfigError, NotFound, PadaError, TooManyRequests
from app.prepare.proposal import Proposal, yaml_text
from app.prepare.students import known_students
from app.prepare.tables import ENDINGS
from app.settings import Settings
from trainer.tasks import known_tasks

UPLOADS = "/datasets"
"""Takes uploads: its body may be long, and is read in pieces."""

TABLES = "/prepare"
"""Takes one file of any kind that `pada init` reads."""

SHOWN = 100
"""Data sets to choose from, the newest."""

EMBEDDED = "builtin:smollm2-135m"

Config = Annotated[str, Form(max_length=100_000)]
DataSetId = Annotated[str, Form(max_length=64)]

router = APIRouter(include_in_schema=False, route_class=PageRoute)


async def choose(request: Request, who: Caller, *, fault: str = "") -> Response:
    """Asks for rows: a file, or a data set that is there."""
    async with request.app.state.reads() as session:
        rows, _ = await dataset_repository.get_page(session, who.sees, PageRequest(None, SHOWN))
    shown: dict[str, Any] = {"datasets": [view(row) for row in rows], "fault": fault}
    shown |= {"endings": ",".join((*ENDINGS, ".gz"))}
    return page("new.html", 422 if fault else 200, **shown, **frame(request, who))


@router.get("/new")
async def new(
    request: Request,
    who: Reader,
    dataset: Annotated[str, Query(max_length=64)] = "",
    task: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Asks for rows first, and then for the settings, which the address holds."""
    if not dataset or "write" not in who.scopes:
        return await choose(request, who)
    if "method" in request.query_params:
        return await settings_form(request, who, dataset, request.query_params)
    state = request.app.state
    async with state.reads() as session:
        row = await datasets.find(session, dataset, who.sees)
    proposal = await tables.propose(row, task, state.settings, state.check_turn)
    return RedirectResponse(f"/new?{urlencode({'dataset': dataset, **fields_of(proposal)})}", 303)


async def settings_form(
    request: Request, who: Caller, dataset: str, values: Mapping[str, Any], fault: str = ""
) -> Response:
    """The settings, with what was filled in before."""
    async with request.app.state.reads() as session:
        row = await datasets.find(session, dataset, who.sees)
    try:
        fields = fields_of(proposal_in(values))
    except ConfigError as error:
        fields, fault = {name: str(values.get(name, "")) for name in Proposal.model_fields}, str(error)
    shown: dict[str, Any] = {"dataset": view(row), "fields": fields, "fault": fault}
    shown |= {"methods": METHODS, **choices(request.app.state.settings)}
    return page("settings.html", 422 if fault else 200, **shown, **frame(request, who))


def choices(settings: Settings) -> dict[str, Any]:
    """What the fields of settings offer, and their names."""
    return {
        "names": NAMES,
        "tasks": list(known_tasks()),
        "students": known_students(),
        "embedded": EMBEDDED,
        "addresses": sorted(settings.known_teachers),
        "variables": sorted({name for names in settings.known_teachers.values() for name in names}),
    }


@router.get("/new/plan")
async def plan(
    request: Request, who: FormWriter, dataset: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """What `pada check` says of the settings in the address: the part of the page below them."""
    try:
        text = yaml_text(proposal_in(request.query_params))
    except ConfigError as error:
        return page("plan.html", fault=str(error), config="", plan=None, **frame(request, who))
    found, fault = None, ""
    try:
        found = await estimate(request, who, RunRequest(config=parse_text(text, "config"), dataset=dataset))
    except PadaError as error:
        fault = str(error)
    return page("plan.html", fault=fault, config=text, plan=found, **frame(request, who))


@router.post("/new")
async def start(request: Request, who: FormWriter, dataset: DataSetId = "", token: Token = "") -> Response:
    """Start the run that the fields say, or show them again with what is wrong."""
    check_token(request, who, token)
    async with request.form(max_files=0) as filled:
        values = {name: str(value) for name, value in filled.items()}
    try:
        return await _start(request, who, yaml_text(proposal_in(values)), dataset)
    except (ConfigError, TooManyRequests) as error:
        return await settings_form(request, who, dataset, values, str(error))


@router.get("/new/yaml")
async def yaml_form(
    request: Request, who: FormWriter, dataset: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """The same settings as a text that can be changed."""
    proposal = proposal_in(request.query_params) if "method" in request.query_params else Proposal()
    return yaml_page(request, who, yaml_text(proposal), dataset)


@router.post("/new/yaml")
async def start_yaml(
    request: Request, who: FormWriter, dataset: DataSetId = "", config: Config = "", token: Token = ""
) -> Response:
    """Start the run of a config, or show it again with what is wrong."""
    check_token(request, who, token)
    try:
        return await _start(request, who, config, dataset)
    except (ConfigError, NotFound, TooManyRequests) as error:
        return yaml_page(request, who, config, dataset, str(error))


def yaml_page(
    request: Request, who: Caller, config: str, dataset: str, fault: str = "", *, of: str = "run"
) -> Response:
    """A config that can be changed, of a run or a comparison."""
    shown = {"config": config, "dataset": dataset, "fault": fault, "of": of}
    return page("new_yaml.html", 422 if fault else 200, **shown, **frame(request, who))


async def _start(request: Request, who: Caller, config: str, dataset: str) -> Response:
    body = RunRequest(config=parse_text(config, "config"), dataset=dataset or None)
    async with request.app.state.sessions.begin() as session:
        run = await runs_of(request, session, who).start(body)
    return RedirectResponse(f"/runs/{run.id}", 303)


def proposal_in(values: Mapping[str, Any]) -> Proposal:
    """The settings in filled fields; an empty field is none.

    Raises:
        ConfigError: a value cannot be.
    """
    given = {name: values[name] for name in Proposal.model_fields if name in values}
    given["student"] = values.get("other_student") or values.get("student") or ""
    optional = {name for name, field in Proposal.model_fields.items() if field.default is None} | {"max_usd"}
    given = {name: None if name in optional and value == "" else value for name, value in given.items()}
    try:
        return Proposal.model_validate(given)
    except ValidationError as error:
        faults = (
            f"{NAMES.get(str(each['loc'][0]), each['loc'][0])}: {each['msg']}." for each in error.errors()
        )
        raise ConfigError(" ".join(faults)) from None


def fields_of(proposal: Proposal) -> dict[str, str]:
    """The settings as the fields of a form."""
    values = proposal.model_dump(mode="json")
    return {name: "" if value is None else _field(value) for name, value in values.items()}


def _field(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


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
