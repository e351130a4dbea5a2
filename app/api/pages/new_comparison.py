"""`/comparisons/new`: from a data set, or from the settings of a run, to the plan of a comparison and the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

import yaml
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import FormData, QueryParams

from app.api.comparisons.endpoints import comparisons_of
from app.api.comparisons.estimate import estimate
from app.api.comparisons.schemas import ComparisonRequest
from app.api.datasets import service as datasets
from app.api.datasets import tables
from app.api.datasets.schemas import view
from app.api.keys.auth import Caller, Reader
from app.api.pages.new_run import Config, DataSetId, choices, fields_of, proposal_in, yaml_page
from app.api.pages.rendering import page
from app.api.pages.routes import FormWriter, PageRoute, Token, check_token, frame
from app.api.pages.setting_names import METHODS, NAMES
from app.api.runs.dependencies import runs_of
from app.api.runs.schemas import RunView
from app.compare.spec import VANILLA
from app.config.run_config import parse_text
from app.db import datasets as dataset_repository
from app.db import runs as run_repository
from app.db.models import Run
from app.db.pages import PageRequest
from app.errors import ConfigError, NotFound, PadaError, TooManyRequests
from app.prepare.proposal import Proposal, yaml_text
from app.settings import Settings
from graphs.methods import Method

SHOWN = 100
"""Data sets and runs to choose from, the newest."""
OF_A_METHOD = ("method", "patterns", "train_errors", "sources", "oversample", "patience", "review")
"""Keys of `loop` that a method or the comparison has instead of the run whose settings are taken."""

Id = Annotated[str, Query(max_length=64)]
RunChoice = Annotated[str, Form(max_length=64)]

router = APIRouter(include_in_schema=False, route_class=PageRoute)


class Choice(BaseModel):
    """What a person chooses of a comparison."""

    methods: list[Method] = Field(["random", "pada"], min_length=1)
    """Besides `vanilla`."""
    seeds: int = Field(2, ge=1, le=50)
    """How many: 0, 1, ..."""
    rounds: int = Field(3, ge=1, le=1000)
    synthetic: int = Field(50, ge=1, le=1_000_000)
    """New rows in each round."""

    def document(self, common: dict[str, Any]) -> dict[str, Any]:
        """The config of the comparison.

        Args:
            common: the config of a run, whose `loop` holds nothing that belongs to a method.
        """
        rows = {"rounds": self.rounds, "synthetic_per_round": self.synthetic}
        loop = {**common.get("loop", {}), **rows}
        compare = {"methods": list(self.methods), "seeds": list(range(self.seeds))}
        return {**common, "loop": loop, "compare": compare}


@router.get("/comparisons/new")
async def new(request: Request, who: Reader, dataset: Id = "", run: Id = "") -> Response:
    """Asks for rows or a run first, and then for the settings, which the address holds."""
    if "write" not in who.scopes or not (dataset or run):
        return await choose(request, who)
    if run:
        return await form(request, who, request.query_params)
    if "model" in request.query_params:
        return await form(request, who, request.query_params)
    state = request.app.state
    async with state.reads() as session:
        row = await datasets.find(session, dataset, who.sees)
    proposal = await tables.propose(row, "", state.settings, state.check_turn)
    return RedirectResponse(f"/comparisons/new?{urlencode({'dataset': dataset, **fields_of(proposal)})}", 303)


async def choose(request: Request, who: Caller) -> Response:
    """Asks what to compare on: a data set, or a run whose settings are taken."""
    async with request.app.state.reads() as session:
        rows, _ = await dataset_repository.get_page(session, who.sees, PageRequest(None, SHOWN))
        runs, _ = await run_repository.get_page(session, who.sees, None, PageRequest(None, SHOWN))
    shown: dict[str, Any] = {
        "datasets": [view(row) for row in rows],
        "runs": [RunView.of(run) for run in runs],
    }
    return page("new_comparison.html", **shown, **frame(request, who))


async def form(request: Request, who: Caller, values: FormData | QueryParams, fault: str = "") -> Response:
    """The settings, with what was filled in before."""
    source = await source_of(request, who, values)
    try:
        choice = choice_in(values, source)
    except ConfigError as error:
        fault = fault or str(error)
        choice = Choice.model_construct(**{**Choice().model_dump(), **given_choice(values)})
    fields = {name: str(values.get(name, "")) for name in Proposal.model_fields}
    if not source and not fault:
        try:
            fields = fields_of(proposal_in(values))
        except ConfigError as error:
            fault = str(error)
    dataset = str(values.get("dataset", ""))
    async with request.app.state.reads() as session:
        row = await datasets.find(session, dataset, who.sees) if dataset and not source else None
    shown: dict[str, Any] = {
        "dataset": view(row) if row else None,
        "source": source,
        "choice": choice,
        "known_methods": methods_for(source),
        "fields": fields,
        "fault": fault,
        **choices(request.app.state.settings),
    }
    return page("comparison_settings.html", 422 if fault else 200, **shown, **frame(request, who))


def methods_for(source: Run | None) -> dict[Method, str]:
    """The methods that can be chosen, with what they do; `active` only where there are rows without answers."""
    unlabeled = bool(source and source.config["data"].get("unlabeled"))
    return {
        name: text for name, text in METHODS.items() if name != VANILLA and (name != "active" or unlabeled)
    }


@router.get("/comparisons/new/plan")
async def plan(request: Request, who: FormWriter) -> Response:
    """The plan of the comparison in the address: the part of the page below its settings."""
    values, text, found, fault = request.query_params, "", None, ""
    try:
        body = await request_in(request, who, values)
        text = yaml.safe_dump(body.config, sort_keys=False, allow_unicode=True)
        found = await estimate(request, who, body)
    except PadaError as error:
        fault = str(error)
    shown: dict[str, Any] = {"fault": fault, "config": text, "plan": found}
    return page("comparison_plan.html", **shown, **frame(request, who))


@router.post("/comparisons/new")
async def start(request: Request, who: FormWriter, token: Token = "") -> Response:
    """Start the comparison that the fields say, or show them again with what is wrong."""
    check_token(request, who, token)
    async with request.form(max_files=0) as filled:
        try:
            return await _start(request, who, await request_in(request, who, filled))
        except (ConfigError, TooManyRequests) as error:
            return await form(request, who, filled, str(error))


@router.get("/comparisons/new/yaml")
async def yaml_form(request: Request, who: FormWriter) -> Response:
    """The same settings as a text that can be changed."""
    body = await request_in(request, who, request.query_params)
    text = yaml.safe_dump(body.config, sort_keys=False, allow_unicode=True)
    return yaml_page(request, who, text, body.dataset or "", of="comparison")


@router.post("/comparisons/new/yaml")
async def start_yaml(
    request: Request, who: FormWriter, dataset: DataSetId = "", config: Config = "", token: Token = ""
) -> Response:
    """Start the comparison of a config, or show it again with what is wrong."""
    check_token(request, who, token)
    try:
        body = ComparisonRequest(config=parse_text(config, "config"), dataset=dataset or None)
        return await _start(request, who, body)
    except (ConfigError, NotFound, TooManyRequests) as error:
        return yaml_page(request, who, config, dataset, str(error), of="comparison")


async def _start(request: Request, who: Caller, body: ComparisonRequest) -> Response:
    async with request.app.state.sessions.begin() as session:
        run = await comparisons_of(request, session, who).start(body)
    return RedirectResponse(f"/comparisons/{run.id}", 303)


async def source_of(request: Request, who: Caller, values: Mapping[str, Any]) -> Run | None:
    """The run whose settings are taken; None where the fields hold them.

    Raises:
        NotFound: there is no such run, or it is another key's.
    """
    name = str(values.get("run", ""))
    if not name:
        return None
    async with request.app.state.reads() as session:
        return await runs_of(request, session, who).get(name)


async def request_in(request: Request, who: Caller, values: FormData | QueryParams) -> ComparisonRequest:
    """The comparison that filled fields mean.

    Raises:
        ConfigError: a value cannot be.
        NotFound: there is no such run, or it is another key's.
    """
    source = await source_of(request, who, values)
    choice = choice_in(values, source)
    if source:
        common = settings_of(source, request.app.state.settings)
        return ComparisonRequest(config=choice.document(common), dataset=source.dataset)
    proposal = proposal_in(values).model_copy(update={"method": "pada"})
    common = parse_text(yaml_text(proposal), "config")
    del common["loop"]["method"]
    return ComparisonRequest(config=choice.document(common), dataset=str(values.get("dataset", "")) or None)


def settings_of(run: Run, settings: Settings) -> dict[str, Any]:
    """The config of a run as one that a comparison's methods share.

    Raises:
        ConfigError: its data set was deleted.
    """
    left_out = {"output", "task_folder", "evaluate_teacher"}
    config = {key: value for key, value in run.config.items() if key not in left_out}
    config["loop"] = {key: value for key, value in config["loop"].items() if key not in OF_A_METHOD}
    if run.dataset is None and Path(config["data"].get("train") or "/").is_relative_to(settings.datasets):
        raise ConfigError("The data set of this run was deleted. Choose a data set that is there.")
    if run.dataset:
        limit = config.pop("data").get("limit")
        config |= {"data": {"limit": limit}} if limit else {}
    return config


def choice_in(values: FormData | QueryParams, source: Run | None) -> Choice:
    """What was chosen; what the fields leave out is as in the run whose settings are taken.

    Raises:
        ConfigError: a value cannot be.
    """
    loop = source.config["loop"] if source else {}
    as_before = {"rounds": loop.get("rounds"), "synthetic": loop.get("synthetic_per_round")}
    given = {name: value for name, value in as_before.items() if value is not None} | given_choice(values)
    try:
        return Choice.model_validate(given)
    except ValidationError as error:
        faults = (
            f"{NAMES.get(str(each['loc'][0]), each['loc'][0])}: {each['msg']}." for each in error.errors()
        )
        raise ConfigError(" ".join(faults)) from None


def given_choice(values: FormData | QueryParams) -> dict[str, Any]:
    """The fields of a form that say what is compared; a form with `seeds` and no method has none chosen."""
    given: dict[str, Any] = {
        name: values[name] for name in ("seeds", "rounds", "synthetic") if values.get(name)
    }
    if "seeds" in values:
        known = get_args(Method)
        given["methods"] = [each for each in values.getlist("methods") if each in known and each != VANILLA]
    return given
