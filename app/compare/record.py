"""`comparison.json`: what a comparison's folder is about, from its first minute on. It is light, because the service reads it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from graphs.run_paths import RunPaths
from trainer.artifacts import read_model, write_json

if TYPE_CHECKING:
    from app.compare.spec import Comparison

FILE = "comparison.json"
RESULTS = "compare.json"
PAGE = "compare.html"

ArmName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")]
"""Name of a method in tables and folders."""


def run_paths(folder: Path, method: str, seed: int) -> RunPaths:
    """The folder of one run of a comparison."""
    return RunPaths(folder / method / f"seed-{seed}")


class ComparisonRecord(BaseModel):
    """What is compared."""

    name: str = ""
    """Empty is the name of its folder."""
    created: float
    """Seconds since the epoch."""
    owner: str = ""
    """Id of the API key that may see it on a service."""
    task: str
    student: str
    methods: list[ArmName]
    seeds: list[Annotated[int, Field(ge=0)]]
    rounds: dict[str, int] = {}
    """Method -> its last round."""


def record_of(comparison: Comparison, *, created: float, owner: str, name: str = "") -> ComparisonRecord:
    """The record of a comparison."""
    return ComparisonRecord(
        name=name,
        created=created,
        owner=owner,
        task=comparison.base.task,
        student=comparison.base.student.model,
        methods=[arm.name for arm in comparison.spec.methods],
        seeds=comparison.spec.seeds,
        rounds=comparison.last_rounds,
    )


def write_record(folder: Path, comparison: Comparison, owner: str) -> None:
    """Write or update the record; when it was begun, and whose it is, stays."""
    before = read_record(folder)
    created = before.created if before else time.time()
    new = record_of(comparison, created=created, owner=owner or (before.owner if before else ""))
    write_json(folder / FILE, new)


def read_record(folder: Path) -> ComparisonRecord | None:
    """The record of a folder; None if it holds no comparison."""
    try:
        return read_model(ComparisonRecord, folder / FILE)
    except (OSError, ValueError):
        return None
