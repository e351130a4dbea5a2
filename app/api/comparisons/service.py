"""Finds comparisons, for who may see them: those that the service runs in its database, and those of `pada compare` on
its disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from app.api.comparisons.progress import Followed, compared_runs
from app.api.comparisons.schemas import ComparedRun, ComparisonDetails, ComparisonView
from app.api.ids import ID
from app.compare.models import Results
from app.compare.record import RESULTS, ComparisonRecord, read_record
from app.db import comparisons as repository
from app.db.engine import Sessions
from app.db.models import Run
from app.errors import NotFound
from app.settings import Settings
from trainer.artifacts import read_model

MOST = 500
"""Comparisons of the database, and folders that are looked into."""
MISSING = "There is no comparison {}, or it is another key's. `GET /v1/comparisons` lists yours."


@dataclass(frozen=True)
class Found:
    """A comparison."""

    id: str
    folder: Path
    record: ComparisonRecord
    run: Run | None = None
    """Its row in the database, if the service runs it."""


async def find_all(reads: Sessions, settings: Settings, owner: str | None) -> list[Found]:
    """The comparisons of an owner, newest first; None sees all."""
    async with reads() as session:
        own = [found_of(run, settings) for run in await repository.get_newest(session, owner, MOST)]
    others = await run_in_threadpool(_on_disk, settings, owner)
    return sorted([*own, *others], key=lambda each: -each.record.created)


async def find(reads: Sessions, settings: Settings, owner: str | None, name: str) -> Found:
    """One comparison by id.

    Raises:
        NotFound: there is none, or it is not this owner's.
    """
    async with reads() as session:
        run = await repository.get_by_id(session, name, owner)
    if run is not None:
        return found_of(run, settings)
    for each in await run_in_threadpool(_on_disk, settings, owner):
        if each.id == name:
            return each
    raise NotFound(MISSING.format(repr(name)))


def found_of(run: Run, settings: Settings) -> Found:
    """A comparison that the service runs."""
    return Found(run.id, settings.own_comparisons / run.id, ComparisonRecord(**run.comparison or {}), run)


def _on_disk(settings: Settings, owner: str | None) -> list[Found]:
    """Those that `pada compare` runs."""
    return [each for each in _folders(settings) if owner is None or (owner and each.record.owner == owner)]


def _folders(settings: Settings) -> Iterator[Found]:
    seen: set[Path] = set()
    for root in settings.comparison_folders:
        for folder in sorted(root.iterdir())[:MOST] if root.is_dir() else ():
            # a link must not lead out of the folders that the settings name
            if folder in seen or folder.is_symlink() or not folder.is_dir():
                continue
            # the database has these
            if root == settings.own_comparisons and ID.fullmatch(folder.name):
                continue
            seen.add(folder)
            if record := read_record(folder):
                yield Found(hashlib.sha256(str(folder).encode()).hexdigest()[:32], folder, record)


def view(found: Found, followed: Followed) -> ComparisonView:
    """A comparison in a list. It reads files, as `details` does."""
    whole = details(found, followed, results=False)
    return ComparisonView(**whole.model_dump(include=set(ComparisonView.model_fields)))


def details(found: Found, followed: Followed, *, results: bool = True) -> ComparisonDetails:
    """A comparison with its runs.

    Args:
        results: read what it has come to, too.
    """
    record, work = found.record, found.run
    runs, last = compared_runs(found.folder, record, followed)
    if work is not None and work.status != "running":
        runs = [at_rest(run) for run in runs]
    return ComparisonDetails(
        id=found.id,
        name=record.name or found.folder.name,
        status=work.status if work else None,
        reason=work.reason if work else "",
        waiting_for=work.waiting_for if work else None,
        created=record.created,
        task=record.task,
        student=record.student,
        methods=record.methods,
        seeds=record.seeds,
        ended=sum(run.waiting or run.status == "finished" for run in runs),
        total=len(runs),
        finished=(found.folder / RESULTS).exists(),
        last_event=last,
        runs=runs,
        results=read_results(found.folder) if results else None,
    )


def at_rest(run: ComparedRun) -> ComparedRun:
    """A run of a comparison that nobody works on: its last event may be older than that."""
    rests = run.status == "running"
    return run.model_copy(update={"status": "paused", "stage": None}) if rests else run


def read_results(folder: Path) -> Results | None:
    """What `compare.json` holds; None before the end."""
    try:
        return read_model(Results, folder / RESULTS)
    except (OSError, ValueError):
        return None
