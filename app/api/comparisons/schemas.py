"""Requests and answers of `/v1/comparisons`. Times are seconds since the epoch, scores fractions of 1, money US dollars."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.pagination import Page
from app.api.runs.openapi_examples import CONFIG, DATASET
from app.compare.models import CurvePoint, Results
from app.engine.run_status import RunStatus
from graphs.errors import Wait

START: dict[str, Any] = {
    "dataset": DATASET,
    "config": CONFIG | {"compare": {"methods": ["random", "pada"], "seeds": [0, 1]}},
}
EXAMPLE: dict[str, Any] = {
    "id": "5d0e6c4b1f2a43879c0d1e2f3a4b5c6d",
    "name": "tickets",
    "status": "running",
    "reason": "",
    "waiting_for": None,
    "created": 1767225600.0,
    "task": "classification",
    "student": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "methods": ["vanilla", "random", "pada"],
    "seeds": [0, 1],
    "ended": 2,
    "total": 6,
    "finished": False,
    "last_event": 1767229200.0,
}
RUN_EXAMPLE: dict[str, Any] = {
    "method": "pada",
    "seed": 0,
    "status": "running",
    "reason": "",
    "stage": "analyze_errors",
    "round": 0,
    "rounds": 3,
    "curve": [{"round": 0, "accepted": 0, "validation": 0.62}],
    "usd": 0.12,
    "calls": 84,
    "has_report": False,
}


class ComparisonRequest(BaseModel):
    """A comparison to start."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [START]})

    config: dict[str, Any] = Field(
        description="A config as for `pada compare`: a run's, with a section `compare`; see docs/guides/compare.md."
    )
    dataset: str | None = Field(
        None, description="Id of an uploaded data set, instead of the paths in `config.data`."
    )
    name: str | None = Field(
        None, min_length=1, max_length=200, description="What it is called; by default as its data set."
    )


class ComparisonView(BaseModel):
    """A comparison in a list."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    name: str = Field(description="Of one that `pada compare` runs: the name of its folder.")
    status: RunStatus | None = Field(description="null for one that `pada compare` runs.")
    reason: str = Field("", description="Why it has ended or waits.")
    waiting_for: Wait | None = None
    created: float
    task: str
    student: str
    methods: list[str]
    seeds: list[int]
    ended: int = Field(description="Runs that have gone through all their rounds.")
    total: int = Field(description="All runs: one for each method and seed.")
    finished: bool = Field(description="Whether the test rows of all are scored.")
    last_event: float | None = Field(description="When one of its runs was last heard of.")


class ComparedRun(BaseModel):
    """One run of a comparison."""

    model_config = ConfigDict(json_schema_extra={"example": RUN_EXAMPLE})

    method: str
    seed: int
    status: RunStatus | None = Field(description="null before it has begun.")
    reason: str
    waiting: bool = Field(False, description="It has gone through its rounds, and waits for the others.")
    stage: str | None
    round: int = Field(description="The last round that was scored.")
    rounds: int = Field(description="Its last round.")
    curve: list[CurvePoint] = Field(description="Validation score by new rows so far.")
    usd: float
    calls: int
    has_report: bool


class ComparisonDetails(ComparisonView):
    """A comparison with its runs and, at the end, its results."""

    model_config = ConfigDict(
        json_schema_extra={"example": EXAMPLE | {"runs": [RUN_EXAMPLE], "results": None}}
    )

    runs: list[ComparedRun]
    results: Results | None = Field(description="What `compare.json` holds; null before the end.")


class ComparisonPage(Page[ComparisonView]):
    """The comparisons, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE], "next": None}})
