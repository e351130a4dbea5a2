"""What a run has left in its folder, as pages of rows and as files to download."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from app.api.runs.schemas import Artifact
from app.errors import NotFound
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json, read_jsonl

Rows = Iterator[dict[str, Any]]
PRIVATE = ("ledger.sqlite", "checkpoints.sqlite", "owners")
"""What is the service's own business: answers of teachers, and the graph's state."""


def rounds(paths: RunPaths) -> list[int]:
    """The rounds that have begun."""
    return sorted(int(path.name) for path in paths.root.glob("rounds/*") if path.name.isdigit())


def patterns(paths: RunPaths, number: int | None) -> Rows:
    """Patterns, round by round; the centroid is left out."""
    for found in [number] if number is not None else rounds(paths):
        for row in _rows(paths.round(found).patterns):
            yield {key: value for key, value in row.items() if key != "centroid"}


def strategies(paths: RunPaths, number: int | None) -> Rows:
    """Strategies, round by round."""
    for found in [number] if number is not None else rounds(paths):
        for path in sorted(paths.round(found).strategies.glob("*.json")):
            yield {"round": found, **read_json(path)}


def samples(paths: RunPaths, number: int | None, verdict: str | None, pattern: str | None) -> Rows:
    """Every row that was written, with its verdict; also those of a round that is not closed yet."""
    for found in [number] if number is not None else rounds(paths):
        for row in _candidates(paths, found):
            if verdict in (None, row["verdict"]) and pattern in (None, row["pattern"]):
                yield row


def _candidates(paths: RunPaths, number: int) -> Rows:
    here = paths.round(number)
    if here.rows.exists():
        yield from read_jsonl(here.rows)
        return
    for path in sorted(here.augmented.glob("*.json")):
        yield from read_json(path)


def predictions(paths: RunPaths, number: int, split: str) -> Rows:
    """A round's predictions with their scores; test predictions are part of the final result only."""
    here = paths.round(number)
    scores = {row["id"]: row for row in _rows(here.scores(split))}
    for row in _rows(here.predictions(split)):
        yield {**row, "score": scores.get(row["id"])}


def lineage(paths: RunPaths, name: str) -> dict[str, Any]:
    """Where a row comes from, and what became of it.

    Returns:
        `sample` with its verdict; `pattern`, `strategy` and `failures` (the validation rows behind the pattern), or `source`
        (the training row whose error it corrects); `outcome`: the pattern's account in the next round, once there is one.

    Raises:
        NotFound: the run has no such row.
    """
    sample = next((row for row in samples(paths, None, None, None) if row["id"] == name), None)
    if sample is None:
        raise NotFound(f"This run has no row {name!r}.")
    here = paths.round(sample["round"])
    pattern = next((row for row in patterns(paths, sample["round"]) if row["id"] == sample["pattern"]), None)
    strategy = here.strategies / f"{sample['pattern']}.json"
    accounts = read_json(here.accounts) if here.accounts.exists() else {}
    return {
        "sample": sample,
        "pattern": pattern,
        "strategy": read_json(strategy) if strategy.exists() else None,
        "source": sample["source"],
        "outcome": accounts.get(sample["pattern"]),
    }


def artifacts(paths: RunPaths) -> Iterable[Artifact]:
    """The files that may be downloaded."""
    for path in sorted(paths.root.rglob("*")):
        inside = path.relative_to(paths.root)
        if path.is_file() and not path.is_symlink() and _public(inside):
            yield Artifact(path=inside.as_posix(), bytes=path.stat().st_size)


def artifact(paths: RunPaths, name: str) -> Path:
    """One file, by its path in the run's folder.

    Raises:
        NotFound: there is none, or it is outside of the folder, or private.
    """
    path = (paths.root / name.replace("\0", "")).resolve()
    if not path.is_relative_to(paths.root) or not _is_file(path) or not _public(path.relative_to(paths.root)):
        raise NotFound(f"This run has no file {name!r}.")
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for a file system
        return False


def _public(inside: Path) -> bool:
    first = inside.parts[0]
    return not any(part.startswith(".") for part in inside.parts) and not first.startswith(PRIVATE)


def page(rows: Rows, start: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """Rows from place `start` on, and where the next page starts."""
    found = list(islice(rows, start, start + limit + 1))
    return found[:limit], start + limit if len(found) > limit else None


def _rows(path: Path) -> Rows:
    return read_jsonl(path) if path.exists() else iter(())
