"""The operations on runs, and the statuses in which each is allowed. Endpoints commit; workers are in
`app.executor`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from app.api.runs.existence import refuse_labels
from app.api.runs.schemas import RunRequest
from app.api.runs.validation import admit, refuse_unpriced
from app.config.teacher_network import refuse_addresses
from app.db import datasets as dataset_repository
from app.db import runs as run_repository
from app.db.engine import now
from app.db.models import DataSet, Run
from app.db.run_summary import RunSummary
from app.engine.reviews import question_of
from app.engine.run_status import RunStatus
from app.errors import Conflict, NotFound, TooManyRequests
from app.settings import Settings
from graphs.errors import Wait
from graphs.review import ReviewAnswer
from graphs.run_paths import RunPaths
from graphs.teacher.spec import BudgetSpec, TeacherSpec

BUSY_SECONDS = 60
"""`Retry-After` of a caller with too many unfinished runs."""


@dataclass
class Runs:
    """The runs that one caller may see.

    Args:
        owner: the caller; owns the runs that it starts.
        everybody: the caller sees the runs of all owners.
    """

    session: AsyncSession
    settings: Settings
    owner: str
    everybody: bool = False

    @property
    def _whose(self) -> str | None:
        return None if self.everybody else self.owner

    async def start(self, request: RunRequest, job: dict[str, Any] | None = None) -> Run:
        """A new run, queued.

        Args:
            job: what `/v1/fine_tuning/jobs` was asked for, of a run that is a job.

        Raises:
            ConfigError: the config cannot be used.
            NotFound: there is no such data set.
            TooManyRequests: the caller has too many unfinished runs.
        """
        folder = None
        if request.dataset is not None:
            await self._dataset(request.dataset)
            folder = self.settings.datasets / request.dataset
        config = admit(request.config, folder, self.settings)
        await refuse_addresses(config, self.settings)
        await run_in_threadpool(refuse_labels, config)
        if await run_repository.count_unfinished(self.session, self.owner) >= self.settings.max_unfinished:
            raise TooManyRequests(
                f"You have {self.settings.max_unfinished} unfinished runs, which is the limit. Cancel some, or wait.",
                retry_after=BUSY_SECONDS,
            )
        run = Run(
            id=uuid.uuid4().hex,
            owner=self.owner,
            config=config.model_dump(mode="json"),
            dataset=request.dataset,
            status="queued",
            reason="",
            view={},
            token=0,
            last_event=0,
            job=job,
        )
        await run_repository.add(self.session, run)
        await run_repository.add_status_event(self.session, run)
        return run

    async def _dataset(self, name: str) -> DataSet:
        row = await dataset_repository.get_by_id(self.session, name, self._whose)
        if row is None:
            raise NotFound(f"There is no data set {name!r}.")
        return row

    async def get(self, name: str, *, lock: bool = False) -> Run:
        """One run; raises NotFound when there is none, or it belongs to another key."""
        run = await run_repository.get_by_id(self.session, name, self._whose, lock=lock)
        if run is None:
            raise NotFound(f"There is no run {name!r}.")
        return run

    def paths(self, run: Run) -> RunPaths:
        """Where its files are."""
        return RunPaths(self.settings.runs / run.id)

    async def cancel(self, name: str) -> Run:
        """Cancel a run: at once if no worker has it; otherwise its worker does it within seconds. Accepted rows
        stay."""
        run = await self.get(name, lock=True)
        if run.status in ("queued", "paused"):
            await self._change(run, "cancelled", "It was cancelled.")
        elif run.status == "running":
            run.requested = "cancel"
        elif run.status != "cancelled":
            raise Conflict(f"This run is {run.status}: there is nothing to cancel.")
        return run

    async def pause(self, name: str) -> Run:
        """Pause a run until it is resumed."""
        run = await self.get(name, lock=True)
        if run.status == "queued":
            await self._change(run, "paused", "It was paused.", waiting_for="user")
        elif run.status == "running":
            run.requested = run.requested or "pause"
        elif run.status != "paused":
            raise Conflict(f"This run is {run.status}: there is nothing to pause.")
        return run

    async def resume(self, name: str, budget: BudgetSpec | None = None) -> Run:
        """Queue a paused or failed run, to continue from where it was.

        Args:
            budget: the caps that it sets take the place of the run's.
        """
        run = await self.get(name, lock=True)
        if run.waiting_for == "review":
            raise Conflict("This run waits for a review: answer it with POST .../review.")
        if run.status in ("paused", "failed"):
            if budget is not None:
                caps = run.config["budget"] | budget.model_dump(mode="json", exclude_unset=True)
                teacher = run.config.get("teacher")
                spec = TeacherSpec.model_validate(teacher) if teacher else None
                refuse_unpriced(spec, BudgetSpec.model_validate(caps), self.settings)
                run.config = run.config | {"budget": caps}
            await self._change(run, "queued", "")
        elif budget is not None:
            hint = ": pause it to change its budget" if run.status in ("queued", "running") else ""
            raise Conflict(f"This run is {run.status}{hint}.")
        elif run.status not in ("queued", "running"):
            raise Conflict(f"This run is {run.status}: it cannot be resumed.")
        elif run.requested == "pause":
            run.requested = None
        return run

    async def review(self, name: str, answer: ReviewAnswer) -> Run:
        """Answer the review that a run waits for.

        Raises:
            Conflict: it waits for none, or the answer does not fit its patterns or rows.
        """
        run = await self.get(name, lock=True)
        if run.status != "paused" or run.waiting_for != "review":
            raise Conflict("This run does not wait for a review.")
        review = RunSummary.read(run.view).review
        if review is None:
            raise Conflict("This run does not wait for a review.")
        question = await run_in_threadpool(question_of, review, self.paths(run))
        if fault := answer.fault(question):
            raise Conflict(fault)
        run.answer = answer.answering(question).model_dump(mode="json", exclude_none=True)
        await self._change(run, "queued", "")
        return run

    async def _change(
        self, run: Run, status: RunStatus, reason: str, waiting_for: Wait | None = None
    ) -> None:
        """Change the status of a run that no worker has."""
        run.status, run.reason, run.waiting_for, run.requested = status, reason, waiting_for, None
        run.ended = await now(self.session) if status == "cancelled" else None
        await run_repository.add_status_event(self.session, run)
