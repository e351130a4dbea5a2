"""Finds comparisons on the service's disk, for who may see them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from app.api.comparisons.progress import Followed, compared_runs
from app.api.comparisons.schemas import ComparisonDetails, ComparisonView
from app.compare.models import Results
from app.compare.record import RESULTS, ComparisonRecord, read_record
from app.errors import NotFound
from app.settings import Settings
from trainer.artifacts import read_json

MOST = 500
"""Folders that are looked into."""
MISSING = "There is no comparison {}, or it is another key's. `GET /v1/comparisons` lists yours."


@dataclass(frozen=True)
class Found:
    """A comparison's folder."""

    id: str
    folder: Path
    record: ComparisonRecord


def find_all(settings: Settings, owner: str | None) -> list[Found]:
    """The comparisons of an owner, newest first; None sees all."""
    found = [
        each for each in _comparisons(settings) if owner is None or (owner and each.record.owner == owner)
    ]
    return sorted(found, key=lambda each: -each.record.created)


def find(settings: Settings, owner: str | None, name: str) -> Found:
    """One comparison by id.

    Raises:
        NotFound: there is none, or it is not this owner's.
    """
    for each in find_all(settings, owner):
        if each.id == name:
            return each
    raise NotFound(MISSING.format(repr(name)))


def _comparisons(settings: Settings) -> Iterator[Found]:
    seen: set[Path] = set()
    for root in settings.comparison_folders:
        for folder in sorted(root.iterdir())[:MOST] if root.is_dir() else ():
            # a link must not lead out of the folders that the settings name
            if folder in seen or folder.is_symlink() or not folder.is_dir():
                continue
            seen.add(folder)
            if record := read_record(folder):
                yield Found(hashlib.sha256(str(folder).encode()).hexdigest()[:32], folder, record)


def view(found: Found, followed: Followed) -> ComparisonView:
    """A comparison in a list."""
    whole = details(found, followed, results=False)
    return ComparisonView(**whole.model_dump(include=set(ComparisonView.model_fields)))


def details(found: Found, followed: Followed, *, results: bool = True) -> ComparisonDetails:
    """A comparison with its runs.

    Args:
        results: read what it has come to, too.
    """
    record = found.record
    runs, last = compared_runs(found.folder, record, followed)
    return ComparisonDetails(
        id=found.id,
        name=found.folder.name,
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


def read_results(folder: Path) -> Results | None:
    """What `compare.json` holds; None before the end."""
    try:
        return Results.model_validate(read_json(folder / RESULTS))
    except (OSError, ValueError, ValidationError):
        return None
