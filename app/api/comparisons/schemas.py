"""Answers of `/v1/comparisons`. Times are seconds since the epoch, scores fractions of 1, money US dollars."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.pagination import Page
from app.compare.models import CurvePoint, Results
from app.engine.run_status import RunStatus

EXAMPLE: dict[str, Any] = {
    "id": "5d0e6c4b1f2a43879c0d1e2f3a4b5c6d",
    "name": "tickets",
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


class ComparisonView(BaseModel):
    """A comparison in a list."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    name: str = Field(description="Name of its folder.")
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
