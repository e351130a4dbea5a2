"""The operations on jobs, which are runs with a note of what the client asked for."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from app.api.datasets import service as datasets
from app.api.datasets.service import Received
from app.api.fine_tuning import files
from app.api.fine_tuning.job_config import asked_config, check, whole_config
from app.api.fine_tuning.results import trained_tokens
from app.api.fine_tuning.schemas import Job, JobError, JobMethod, JobRequest, JobStatus, SupervisedMethod
from app.api.openai_errors import NoSuchObjectError, ParameterError
from app.api.runs.schemas import RunRequest
from app.api.runs.service import Runs
from app.db.models import DataSet, Run
from app.db.run_summary import RunSummary
from app.engine.run_status import ENDED, RunStatus
from app.errors import NotFound
from app.settings import Settings

PREFIX = "ftjob-"
STATUSES: dict[RunStatus, JobStatus] = {
    "queued": "queued",
    "running": "running",
    "paused": "paused",
    "finished": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}


@dataclass(frozen=True)
class JobFiles:
    """The uploaded files of a job."""

    training: DataSet
    validation: DataSet | None

    @classmethod
    async def find(
        cls, session: AsyncSession, request: JobRequest, owner: str | None, *, lock: bool = False
    ) -> JobFiles:
        """The files that a request names.

        Raises:
            NoSuchObjectError: there is none of this id, or it is not this owner's.
            ParameterError: both are the same file.
        """
        training = await files.find(session, request.training_file, owner, "training_file", lock=lock)
        if request.validation_file is None:
            return cls(training, None)
        name = request.validation_file
        validation = await files.find(session, name, owner, "validation_file", lock=lock)
        if validation.files["file"]["sha256"] == training.files["file"]["sha256"]:
            raise ParameterError(
                "validation_file: it holds the same rows as the training file, so it would measure memory. Leave it out, and "
                "validation rows are taken out of the training file; or upload other rows.",
                "validation_file",
            )
        return cls(training, validation)

    def as_splits(self, settings: Settings) -> dict[str, tuple[Path, str]]:
        """File name that says the split -> where the rows are, and the name that the client knows."""
        named = {"train.jsonl": self.training}
        if self.validation:
            named["validation.jsonl"] = self.validation
        return {name: (files.path_of(row, settings), row.name) for name, row in named.items()}


async def prepare(
    request: JobRequest,
    found: JobFiles,
    folder: Path,
    settings: Settings,
    turn: AbstractAsyncContextManager[Any],
) -> tuple[Received, dict[str, Any]]:
    """Make the three splits in `folder`, as `pada init` does, and the config of the run.

    Raises:
        ParameterError: the rows or the config cannot be used.
    """
    asked = asked_config(request, settings)
    await check(asked, folder, settings)
    splits = found.as_splits(settings)
    for name, (path, _) in splits.items():
        os.link(path, folder / name)
    module, task = "app.api.fine_tuning.prepare", str(asked.get("task", ""))
    rows, made = await datasets.split_rows(folder, settings, turn, module, task, *splits)
    if made.fault:
        stored = "|".join(map(re.escape, splits))
        fault = re.sub(stored, lambda found: splits[found[0]][1], made.fault)
        raise ParameterError(fault, "training_file", "invalid_training_file")
    config = whole_config(asked, made)
    return Received(folder, datasets.printable(f"Rows of {found.training.name}"), "", rows), config


async def start(
    runs: Runs, request: JobRequest, found: JobFiles, received: Received, config: dict[str, Any]
) -> Run:
    """Turn the rows into a data set, and queue a run on it."""
    row = await datasets.publish(runs.session, runs.owner, received, runs.settings, source=found.training.id)
    try:
        return await runs.start(
            RunRequest(config=config, dataset=row.id), job=request.model_dump(mode="json")
        )
    except BaseException:
        await run_in_threadpool(shutil.rmtree, runs.settings.datasets / row.id, ignore_errors=True)
        raise


async def find(runs: Runs, name: str, param: str = "fine_tuning_job_id") -> Run:
    """A job by the id that clients know.

    Raises:
        NoSuchObjectError: there is none, or it is another key's, or the run was not started as a job.
    """
    try:
        run = await runs.get(files.bare(name, PREFIX))
    except NotFound:
        run = None
    if run is None or run.job is None:
        raise NoSuchObjectError(f"Could not find fine tune: {name[:100]}", param)
    return run


async def view(run: Run, settings: Settings) -> Job:
    """A job as it is shown."""
    asked = JobRequest.model_validate(run.job)
    succeeded = run.status == "finished"
    return Job(
        id=f"{PREFIX}{run.id}",
        created_at=int(run.created),
        finished_at=int(run.ended) if run.ended and run.status in ENDED else None,
        model=asked.model,
        fine_tuned_model=run.id if succeeded else None,
        status=status_of(run),
        training_file=asked.training_file,
        validation_file=asked.validation_file,
        result_files=[f"{files.PREFIX}{run.id}"] if succeeded else [],
        hyperparameters=asked.trained_with,
        method=JobMethod(supervised=SupervisedMethod(hyperparameters=asked.trained_with)),
        trained_tokens=await trained_tokens(run, settings) if succeeded else None,
        error=JobError(code="job_failed", message=run.reason) if run.status == "failed" else None,
        seed=run.config["seed"],
        user_provided_suffix=asked.suffix,
        metadata=asked.metadata,
    )


def status_of(run: Run) -> JobStatus:
    """A run that works checks its rows before its first stage."""
    if run.status == "running" and RunSummary.read(run.view).stage is None:
        return "validating_files"
    return STATUSES[run.status]
