"""The operations on comparisons that the service runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from app.api.comparisons.schemas import ComparisonRequest
from app.api.runs.validation import admit
from app.api.runs.work import Work
from app.compare.record import record_of
from app.compare.spec import Comparison, make_comparison
from app.db import runs as run_repository
from app.db.engine import now
from app.db.models import Run
from app.errors import ConfigError
from app.settings import Settings

MOST_RUNS = 100
"""Of one comparison."""


@dataclass
class Comparisons(Work):
    """The comparisons that one caller may see, and that the service runs."""

    noun: ClassVar[str] = "comparison"

    async def start(self, request: ComparisonRequest) -> Run:
        """A new comparison, queued.

        Raises:
            ConfigError: the config cannot be used.
            NotFound: there is no such data set.
            TooManyRequests: the caller has too many unfinished runs.
        """
        dataset = await self._dataset(request.dataset)
        comparison = admit_comparison(request.config, self._folder(dataset), self.settings)
        await self._refuse(comparison.base)
        name = request.name or (dataset.name if dataset else comparison.base.task)
        record = record_of(comparison, created=await now(self.session), owner=self.owner, name=name)
        return await self._queue(
            comparison.to_json(), request.dataset, comparison=record.model_dump(mode="json")
        )

    async def _find(self, name: str, *, lock: bool) -> Run | None:
        run = await run_repository.get_by_id(self.session, name, self._whose, lock=lock)
        return run if run is not None and run.comparison is not None else None

    def _configs(self, run: Run) -> list[dict[str, Any]]:
        return [run.config["base"], *run.config["methods"].values()]


def admit_comparison(document: dict[str, Any], dataset: Path | None, settings: Settings) -> Comparison:
    """The comparison of a config posted over HTTP; its runs may do what `admit` lets a run do.

    Raises:
        ConfigError: a key is wrong, or names what only the service's own configuration may name.
    """
    comparison = make_comparison(document, "config", lambda run, name: admit(run, dataset, settings, name))
    if (count := len(comparison.configs)) > MOST_RUNS:
        raise ConfigError(
            f"config.compare: {count:,} runs, one for each method and seed, are more than the {MOST_RUNS} that a comparison "
            "may have here. Leave out methods or seeds, or use `pada compare`."
        )
    return comparison
