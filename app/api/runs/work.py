"""What a caller may do with runs and comparisons alike, and the statuses in which each is allowed. Endpoints commit;
workers are in `app.executor`."""

from __future__ import annotations

import copy
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from app.api.ids import ID, SHOWN
from app.api.runs.existence import refuse_labels
from app.api.runs.validation import refuse_unpriced
from app.config.run_config import RunConfig
from app.config.teacher_network import refuse_addresses
from app.db import datasets as dataset_repository
from app.db import leases as lease_repository
from app.db import runs as run_repository
from app.db.engine import now
from app.db.models import DataSet, Run
from app.engine.run_status import RunStatus
from app.errors import Conflict, NotFound, TooManyRequests
from app.settings import Settings
from graphs.errors import Wait
from graphs.teacher.spec import BudgetSpec, TeacherSpec

BUSY_SECONDS = 60
"""`Retry-After` of a caller with too much that is unfinished."""


@dataclass
class Work(ABC):
    """The runs, or the comparisons, that one caller may see.

    Args:
        owner: the caller; owns what it starts.
        everybody: the caller sees what belongs to all owners.
    """

    noun: ClassVar[str]
    """Its name in messages."""

    session: AsyncSession
    settings: Settings
    owner: str
    everybody: bool = False

    @property
    def _whose(self) -> str | None:
        return None if self.everybody else self.owner

    @abstractmethod
    async def _find(self, name: str, *, lock: bool) -> Run | None:
        """One of them; None if there is none, or it belongs to another key."""

    @abstractmethod
    def _configs(self, run: Run) -> list[dict[str, Any]]:
        """The parts of its config that hold a budget."""

    async def get(self, name: str, *, lock: bool = False) -> Run:
        """One of them; raises NotFound when there is none, or it belongs to another key."""
        run = await self._find(name, lock=lock)
        if run is None:
            raise NotFound(f"There is no {self.noun} {name!r}.")
        return run

    async def cancel(self, name: str) -> Run:
        """Cancel it: at once if no worker has it; otherwise its worker does it within seconds. Accepted rows stay."""
        run = await self.get(name, lock=True)
        if run.status in ("queued", "paused"):
            await self._change(run, "cancelled", "It was cancelled.")
        elif run.status == "running":
            run.requested = "cancel"
        elif run.status != "cancelled":
            raise Conflict(f"This {self.noun} is {run.status}: there is nothing to cancel.")
        return run

    async def pause(self, name: str) -> Run:
        """Pause it until it is resumed."""
        run = await self.get(name, lock=True)
        if run.status == "queued":
            await self._change(run, "paused", "It was paused.", waiting_for="user")
        elif run.status == "running":
            run.requested = run.requested or "pause"
        elif run.status != "paused":
            raise Conflict(f"This {self.noun} is {run.status}: there is nothing to pause.")
        return run

    async def resume(self, name: str, budget: BudgetSpec | None = None) -> Run:
        """Queue it again after a pause or a failure, to continue from where it was.

        Args:
            budget: the caps that it sets take the place of those that it has.
        """
        run = await self.get(name, lock=True)
        if run.waiting_for == "review":
            raise Conflict(f"This {self.noun} waits for a review: answer it with POST .../review.")
        if run.status in ("paused", "failed"):
            if budget is not None:
                self._set_budget(run, budget)
            await self._change(run, "queued", "")
        elif budget is not None:
            hint = ": pause it to change its budget" if run.status in ("queued", "running") else ""
            raise Conflict(f"This {self.noun} is {run.status}{hint}.")
        elif run.status not in ("queued", "running"):
            raise Conflict(f"This {self.noun} is {run.status}: it cannot be resumed.")
        elif run.requested == "pause":
            run.requested = None
        return run

    def _set_budget(self, run: Run, budget: BudgetSpec) -> None:
        run.config = copy.deepcopy(
            run.config
        )  # SQLAlchemy sees that a JSON column has changed by its identity
        for config in self._configs(run):
            config["budget"] |= budget.model_dump(mode="json", exclude_unset=True)
            teacher = config.get("teacher")
            spec = TeacherSpec.model_validate(teacher) if teacher else None
            refuse_unpriced(spec, BudgetSpec.model_validate(config["budget"]), self.settings)

    async def _dataset(self, name: str | None) -> DataSet | None:
        """An uploaded data set of the caller's; None where none is named."""
        if name is None:
            return None
        row = None
        # what can be no id may also be no text that a database takes
        if ID.fullmatch(name):
            row = await dataset_repository.get_by_id(self.session, name, self._whose)
        if row is None:
            raise NotFound(f"There is no data set {name[:SHOWN]!r}.")
        return row

    def _folder(self, dataset: DataSet | None) -> Path | None:
        return self.settings.datasets / dataset.id if dataset else None

    async def _refuse(self, config: RunConfig) -> None:
        """Refuse what takes a moment to find out: addresses of teachers, labels, and a caller who has too much unfinished."""
        await refuse_addresses(config, self.settings)
        await run_in_threadpool(refuse_labels, config)
        if await run_repository.count_unfinished(self.session, self.owner) >= self.settings.max_unfinished:
            raise TooManyRequests(
                f"You have {self.settings.max_unfinished} unfinished runs, which is the limit. Cancel some, or wait.",
                retry_after=BUSY_SECONDS,
            )

    async def _queue(self, config: dict[str, Any], dataset: str | None, **more: Any) -> Run:
        """A new row of the table of runs, queued."""
        run = Run(
            id=uuid.uuid4().hex,
            owner=self.owner,
            config=config,
            dataset=dataset,
            status="queued",
            reason="",
            view={},
            token=0,
            **more,
        )
        await lease_repository.add_queued(self.session, run)
        return run

    async def _change(
        self, run: Run, status: RunStatus, reason: str, waiting_for: Wait | None = None
    ) -> None:
        """Change the status where no worker has it."""
        run.status, run.reason, run.waiting_for, run.requested = status, reason, waiting_for, None
        run.ended = await now(self.session) if status == "cancelled" else None
        await lease_repository.add_status_event(self.session, run)
