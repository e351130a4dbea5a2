"""Files and jobs as OpenAI's API has them. Times are whole seconds since the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.api.fine_tuning import openapi_examples as examples
from app.db.models import DataSet

FILE, RESULTS = "fine-tune", "fine-tune-results"
"""Purposes of files."""
Auto = Literal["auto"]
NO_NUL = r"^[^\x00]*$"
"""Of texts that a database is asked about."""


Item = TypeVar("Item", bound=BaseModel)


class ListPage(BaseModel, Generic[Item]):
    """Some of the items of a list; `after` with the last id gives the next ones."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    first_id: str | None = None
    last_id: str | None = None

    @classmethod
    def of(cls, data: Sequence[Any], has_more: bool) -> Self:
        """A page of these items."""
        ids = [item.id for item in data]
        return cls(
            data=list(data),
            has_more=has_more,
            first_id=ids[0] if ids else None,
            last_id=ids[-1] if ids else None,
        )


class FileObject(BaseModel):
    """An uploaded file, or the results of a job."""

    model_config = ConfigDict(json_schema_extra={"example": examples.FILE})

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: None = None
    filename: str
    purpose: Literal["fine-tune", "fine-tune-results"]
    status: Literal["processed"] = "processed"
    status_details: None = None

    @classmethod
    def of(cls, row: DataSet) -> Self:
        """A stored file as it is shown."""
        return cls(
            id=f"file-{row.id}",
            bytes=row.files["file"]["bytes"],
            created_at=int(row.created),
            filename=row.name,
            purpose=FILE,
        )


class FilePage(ListPage[FileObject]):
    """Some of the uploaded files."""

    model_config = ConfigDict(json_schema_extra={"example": examples.page_of(examples.FILE)})


class FileDeleted(BaseModel):
    """A file that is no more."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"id": examples.FILE["id"], "object": "file", "deleted": True}}
    )

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class Hyperparameters(BaseModel):
    """How the student is trained; `auto` leaves it to pada."""

    model_config = ConfigDict(extra="forbid")

    n_epochs: Auto | Annotated[int, Field(ge=1, le=10_000)] = "auto"
    """Passes over the training rows. With `auto` here and for the learning rate, both are found on validation rows."""
    batch_size: Auto | Annotated[int, Field(ge=1, le=65_536)] = "auto"
    """Rows per optimizer step."""
    learning_rate_multiplier: Auto | Annotated[float, Field(gt=0, le=1000)] = "auto"
    """Times the default learning rate of `student.learning_rate`."""


class SupervisedMethod(BaseModel):
    """Supervised fine-tuning."""

    model_config = ConfigDict(extra="forbid")

    hyperparameters: Hyperparameters = Hyperparameters()


class JobMethod(BaseModel):
    """How the job trains."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["supervised"] = "supervised"
    supervised: SupervisedMethod = SupervisedMethod()


class JobRequest(BaseModel):
    """A job to create."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.CREATE]})

    model: str = Field(
        min_length=1,
        max_length=500,
        description="The student, as `student.model` of a config or PADA_STUDENTS of the service names it.",
    )
    training_file: str = Field(max_length=100, description="Id of an uploaded file.")
    validation_file: str | None = Field(
        None,
        max_length=100,
        description="Id of an uploaded file. Without it, validation rows are taken from training_file.",
    )
    method: JobMethod | None = None
    hyperparameters: Hyperparameters | None = Field(
        None, description="The older place of `method.supervised.hyperparameters`."
    )
    seed: int | None = Field(None, ge=0, lt=2**32)
    suffix: str | None = Field(
        None, max_length=64, description="Kept and shown; the model is named by the run."
    )
    metadata: (
        Annotated[
            dict[
                Annotated[str, Field(max_length=64, pattern=NO_NUL)],
                Annotated[str, Field(max_length=512, pattern=NO_NUL)],
            ],
            Field(max_length=16),
        ]
        | None
    ) = Field(
        None,
        description="Up to 16 texts. `method` and `teacher` choose the method and a teacher of the service; a key such as "
        "`pada.loop.rounds` sets the key `loop.rounds` of the run's config.",
    )
    integrations: Annotated[list[Any], Field(max_length=0)] | None = Field(
        None, description="There are none."
    )

    @property
    def trained_with(self) -> Hyperparameters:
        """The hyperparameters, wherever they stand."""
        return (
            self.method.supervised.hyperparameters if self.method else self.hyperparameters
        ) or Hyperparameters()


JobStatus = Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled", "paused"]


class JobError(BaseModel):
    """Why a job has failed."""

    code: str
    message: str
    param: str | None = None


class Job(BaseModel):
    """A fine-tuning job. It is a run: `ftjob-ID` is the run `ID` of `/v1/runs`."""

    model_config = ConfigDict(json_schema_extra={"example": examples.JOB})

    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int
    finished_at: int | None
    model: str
    fine_tuned_model: str | None = Field(description="The run's id, once the job has succeeded.")
    organization_id: Literal["pada"] = "pada"
    status: JobStatus
    training_file: str
    validation_file: str | None
    result_files: list[str]
    hyperparameters: Hyperparameters
    method: JobMethod
    trained_tokens: int | None = Field(
        description="Tokens of answers that the students were trained on, over all epochs and rounds."
    )
    error: JobError | None
    seed: int
    user_provided_suffix: str | None
    estimated_finish: int | None = None
    integrations: list[Any] = []
    metadata: dict[str, str] | None


class JobPage(ListPage[Job]):
    """Some of the jobs, the newest first."""

    model_config = ConfigDict(json_schema_extra={"example": examples.page_of(examples.JOB)})


class JobEvent(BaseModel):
    """What has happened in a job."""

    model_config = ConfigDict(json_schema_extra={"example": examples.EVENT})

    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, Any] = Field(description="The event as `GET /v1/runs/{run}/events` has it.")


class JobEventPage(ListPage[JobEvent]):
    """Some of the events, the newest first."""

    model_config = ConfigDict(json_schema_extra={"example": examples.page_of(examples.EVENT)})


class CheckpointMetrics(BaseModel):
    """How good the student of a round is."""

    step: int
    train_loss: float | None
    validation: float = Field(description="Score on the validation rows, a fraction of 1.")
    validation_metric: str


class Checkpoint(BaseModel):
    """The student of one round, ready to use."""

    model_config = ConfigDict(json_schema_extra={"example": examples.CHECKPOINT})

    id: str
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: CheckpointMetrics


class CheckpointPage(ListPage[Checkpoint]):
    """Some of the checkpoints, the newest first."""

    model_config = ConfigDict(json_schema_extra={"example": examples.page_of(examples.CHECKPOINT)})
