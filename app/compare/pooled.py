"""Several finished comparisons taken together: the same methods on several tasks, or with more seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from app.compare.models import Results
from app.compare.record import RESULTS, run_paths
from app.compare.results import binary, corrected_verdict, test_scores
from app.compare.spec import VANILLA
from app.compare.statistics import Estimate, Floats, over_tasks
from app.errors import ConfigError
from graphs.analysis.statistics import holm
from graphs.artifacts import Conclusion
from graphs.report import Report
from graphs.run_paths import RunPaths
from trainer.artifacts import read_model

BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Part:
    """All seeds of one task."""

    task: str
    seeds: list[int]
    scores: dict[str, Floats]
    """Method -> test scores, shape (seeds, test rows)."""


class PooledDifference(BaseModel):
    """One method against another over all tasks, each with the same weight."""

    difference: float
    ci95: tuple[float, float]
    """Over the rows and seeds of these tasks (`app.compare.statistics.over_tasks`)."""
    p_value: float
    """Holm-corrected over the methods."""
    verdict: Conclusion
    """See `app.compare.results.corrected_verdict`."""
    by_task: list[float]
    """In the order of `Pooled.tasks`."""


class PooledRow(BaseModel):
    """One method."""

    method: str
    vs_vanilla: PooledDifference | None
    vs_reference: PooledDifference | None


class PooledTask(BaseModel):
    """What is known of one task."""

    task: str
    seeds: list[int]
    test_rows: int


class Pooled(BaseModel):
    """`pooled.json`."""

    folders: list[str]
    tasks: list[PooledTask]
    reference: str | None
    left_out: list[str]
    """Methods that some folder has not."""
    rows: list[PooledRow]


def pool(folders: Sequence[Path], against: str | None = None) -> Pooled:
    """Read finished comparisons and pool their differences. The folders may have been moved.

    Args:
        against: the method that all others are compared with, beside vanilla; None is that of the first folder.

    Raises:
        ConfigError: a folder is no finished comparison, a seed is there twice, or a method is in no folder or not in all.
    """
    found = [(folder, read_results(folder)) for folder in folders]
    named = [[row.method for row in results.rows] for _, results in found]
    methods = [name for name in named[0] if all(name in names for names in named)]
    left_out = sorted({name for names in named for name in names} - set(methods))
    reference = against or found[0][1].reference
    if against is not None and against not in methods:
        raise ConfigError(f"--against {against}: not in all of the folders; take one of {', '.join(methods)}")
    if reference not in methods:
        reference = None
    parts = by_task(found, methods)
    return Pooled(
        folders=[str(folder) for folder in folders],
        tasks=[
            PooledTask(task=part.task, seeds=part.seeds, test_rows=part.scores[VANILLA].shape[1])
            for part in parts
        ],
        reference=reference,
        left_out=left_out,
        rows=[
            PooledRow(method=name, vs_vanilla=to_vanilla, vs_reference=to_reference)
            for name, to_vanilla, to_reference in zip(
                methods,
                differences(parts, methods, VANILLA),
                differences(parts, methods, reference),
                strict=True,
            )
        ],
    )


def read_results(folder: Path) -> Results:
    """The `compare.json` of a finished comparison.

    Raises:
        ConfigError: there is none, or it is not one.
    """
    path = folder / RESULTS
    if not path.is_file():
        raise ConfigError(f"{folder}: no finished comparison: it has no {RESULTS}")
    try:
        return Results.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: not a comparison's results: {' '.join(str(error).split())[:200]}"
        ) from None


def by_task(found: Sequence[tuple[Path, Results]], methods: Sequence[str]) -> list[Part]:
    """The scores of each task. Comparisons on the same test rows are one task with more seeds.

    Raises:
        ConfigError: a seed is there twice, or scores are missing.
    """
    same: dict[tuple[str, str], list[tuple[Path, list[int]]]] = defaultdict(list)
    for folder, results in found:
        rows = RunPaths(folder).data("test")
        if not rows.is_file():
            raise ConfigError(f"{rows}: missing; the folder of a comparison is needed whole")
        same[results.rows[0].task, rows.read_text(encoding="utf-8")].append((folder, results.rows[0].seeds))
    parts = []
    for (task, _), members in same.items():
        places: dict[int, Path] = {}
        for folder, seeds in members:
            for seed in seeds:
                if seed in places:
                    raise ConfigError(f"{folder}: seed {seed} of {task} is in {places[seed]} as well")
                places[seed] = folder
        scores = {
            name: np.array([scores_of(folder, name, seed) for seed, folder in places.items()])
            for name in methods
        }
        parts.append(Part(task, list(places), scores))
    return parts


def scores_of(folder: Path, method: str, seed: int) -> list[float]:
    """The test scores of a run's best student.

    Raises:
        ConfigError: they are not there.
    """
    paths = run_paths(folder, method, seed)
    try:
        report = read_model(Report, paths.report)
        return [score.value for score in test_scores(paths, report)]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{paths.root}: its test scores cannot be read: {error}") from None


def differences(
    parts: Sequence[Part], methods: Sequence[str], other: str | None
) -> list[PooledDifference | None]:
    """Each method against another; None for that one itself."""
    if other is None:
        return [None] * len(methods)
    estimates = {name: difference(parts, other, name) for name in methods if name != other}
    corrected = dict(zip(estimates, holm([estimate.p_value for estimate in estimates.values()]), strict=True))
    return [
        PooledDifference(
            difference=estimates[name].mean,
            ci95=(estimates[name].low, estimates[name].high),
            p_value=corrected[name],
            verdict=corrected_verdict(estimates[name], corrected[name]),
            by_task=[float((part.scores[name] - part.scores[other]).mean()) for part in parts],
        )
        if name != other
        else None
        for name in methods
    ]


def difference(parts: Sequence[Part], before: str, after: str) -> Estimate:
    """The pooled difference of two methods."""
    return over_tasks(
        [part.scores[after] - part.scores[before] for part in parts],
        BOOTSTRAP_SEED,
        differences=[binary(part.scores[before], part.scores[after]) for part in parts],
    )
