"""The operations on runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.concurrency import run_in_threadpool

from app.api.runs.schemas import RunRequest
from app.api.runs.validation import admit
from app.api.runs.work import Work
from app.db import runs as run_repository
from app.db.models import Run
from app.db.run_summary import RunSummary
from app.engine.reviews import question_of
from app.errors import Conflict
from graphs.review import ReviewAnswer
from graphs.run_paths import RunPaths


@dataclass
class Runs(Work):
    """The runs that one caller may see."""

    noun: ClassVar[str] = "run"

    async def start(self, request: RunRequest, job: dict[str, Any] | None = None) -> Run:
        """A new run, queued.

        Args:
            job: what `/v1/fine_tuning/jobs` was asked for, of a run that is a job.

        Raises:
            ConfigError: the config cannot be used.
            NotFound: there is no such data set.
            TooManyRequests: the caller has too many unfinished runs.
        """
        folder = self._folder(await self._dataset(request.dataset))
        config = admit(request.config, folder, self.settings)
        await self._refuse(config)
        return await self._queue(config.model_dump(mode="json"), request.dataset, job=job)

    async def _find(self, name: str, *, lock: bool) -> Run | None:
        run = await run_repository.get_by_id(self.session, name, self._whose, lock=lock)
        return None if run is None or run.comparison is not None else run

    def _configs(self, run: Run) -> list[dict[str, Any]]:
        return [run.config]

    def paths(self, run: Run) -> RunPaths:
        """Where its files are."""
        return RunPaths(self.settings.runs / run.id)

    async def review(self, name: str, answer: ReviewAnswer) -> Run:
        """Answer the review that a run waits for.

        Raises:
            Conflict: it waits for none, or the answer does not fit its patterns or rows.
        """
        run = await self.get(name, lock=True)
        waits = run.status == "paused" and run.waiting_for == "review"
        review = RunSummary.read(run.view).review if waits else None
        if review is None:
            raise Conflict("This run does not wait for a review.")
        question = await run_in_threadpool(question_of, review, self.paths(run))
        if fault := answer.fault(question):
            raise Conflict(fault)
        run.answer = answer.answering(question).model_dump(mode="json", exclude_none=True)
        await self._change(run, "queued", "")
        return run
