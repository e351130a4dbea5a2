"""Requests and answers of `/v1/runs`. Times are seconds since the epoch, scores fractions of 1, money US dollars."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.pagination import Page
from app.api.runs import openapi_examples as examples
from app.api.runs.files import Artifact
from app.api.texts import Text
from app.db.models import Run
from app.db.run_summary import RunSummary
from app.engine.row_text import LONGEST
from app.engine.run_status import RunStatus
from graphs.context import Reviewed
from graphs.errors import Wait
from graphs.rows import NewRow
from graphs.teacher.spec import BudgetSpec


class RunRequest(BaseModel):
    """A run to start."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.START]})

    config: dict[str, Any] = Field(
        description="A config as for `pada run`; see docs/guides/configuration.md."
    )
    dataset: str | None = Field(
        None, description="Id of an uploaded data set, instead of the paths in `config.data`."
    )


class ResumeRequest(BaseModel):
    """How a run goes on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"budget": {"max_usd": 20.0}}]})

    budget: BudgetSpec | None = Field(
        None, description="New caps in place of those of the config. What it leaves out stays as it is."
    )


class Progress(BaseModel):
    """Progress of the current stage."""

    done: int
    total: int


class ScoreView(BaseModel):
    """One student's validation score."""

    round: int
    metric: str
    validation: float
    ci95: tuple[float, float]
    promoted: bool
    reason: str


class CostView(BaseModel):
    """Cost of the teacher so far."""

    calls: int
    usd: float
    tokens: int
    retries: int = Field(0, description="Calls that had to be made again, such as after a rate limit.")


class ReviewView(BaseModel):
    """The review that a run waits for."""

    about: Reviewed
    round: int
    patterns: list[str] = Field(
        [], description="Ids of the patterns; `GET .../patterns` and `.../strategies` have them."
    )
    accepted: int | None = Field(
        None, description="Rows; `GET .../samples?round=&verdict=accepted` has them."
    )
    rejected: int | None = Field(None, description="Rows, of which some can be accepted.")


class RunView(BaseModel):
    """The current state of a run."""

    model_config = ConfigDict(json_schema_extra={"example": examples.VIEW})

    id: str
    status: RunStatus
    reason: str = Field(description="Why it has ended or waits.")
    waiting_for: Wait | None
    review: ReviewView | None = Field(description="Of a run that waits for a review.")
    task: str
    method: str
    dataset: str | None
    created: float
    started: float | None
    ended: float | None
    stage: str | None
    round: int
    progress: Progress | None
    eta_seconds: float | None = Field(description="Of the current stage, where it is known.")
    scores: list[ScoreView]
    cost: CostView | None
    last_event: int = Field(description="Id of the newest event.")

    @classmethod
    def of(cls, run: Run) -> RunView:
        """The view of a stored run."""
        summary, running = RunSummary.read(run.view), run.status == "running"
        return cls.model_validate(
            {
                "id": run.id,
                "status": run.status,
                "reason": run.reason,
                "waiting_for": run.waiting_for,
                "review": summary.review if run.waiting_for == "review" else None,
                "task": run.config["task"],
                "method": run.config["loop"]["method"],
                "dataset": run.dataset,
                "created": run.created,
                "started": run.started,
                "ended": run.ended,
                "stage": summary.stage if running else None,
                "round": summary.round,
                "progress": summary.progress,
                "eta_seconds": summary.eta_seconds if running else None,
                "scores": summary.scores,
                "cost": summary.cost,
                "last_event": run.last_event,
            },
            from_attributes=True,
        )


class RunPage(Page[RunView]):
    """Some runs, the newest first."""

    model_config = ConfigDict(json_schema_extra={"example": examples.page_of(examples.VIEW)})


class RowPage(BaseModel):
    """Some rows of a run's files."""

    items: list[dict[str, Any]]
    next: str | None


class RowRequest(BaseModel):
    """A row to train on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.ROW]})

    prompt: Text = Field(min_length=1, max_length=LONGEST, description="As a student is asked.")
    completion: Text = Field(min_length=1, max_length=LONGEST, description="The right answer.")


class AddedRow(BaseModel):
    """A row that a person added."""

    model_config = ConfigDict(json_schema_extra={"example": examples.ADDED})

    id: str
    sample: NewRow = Field(
        description="With the verdict of the checks so far; the round that takes it decides."
    )
    next: str = Field(description="What happens to it.")


class Artifacts(BaseModel):
    """The files of a run."""

    items: list[Artifact]
