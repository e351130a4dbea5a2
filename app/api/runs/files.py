"""What a run has left in its folder, as pages of rows and as files to download."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from app.errors import NotFound
from graphs.artifacts import Outcome, PatternAccount
from graphs.person_rows import all_rows
from graphs.rounds import Round, failure_outcomes
from graphs.rows import NewRow, Strategy
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json, read_jsonl

Rows = Iterator[dict[str, Any]]
PRIVATE = ("ledger.sqlite", "checkpoints.sqlite", "owners", "tracking")
"""What is the service's own business: answers of teachers, the graph's state, and accounts of trackers."""


class Artifact(BaseModel):
    """One file of a run."""

    path: str
    bytes: int


def rounds(paths: RunPaths) -> list[int]:
    """The rounds that have begun."""
    return paths.begun_rounds()


def patterns(paths: RunPaths, number: int | None) -> Rows:
    """Patterns, round by round; the centroid is left out."""
    for here in _rounds(paths, number):
        for pattern in here.patterns().values():
            yield pattern.model_dump(exclude={"centroid"})


def strategies(paths: RunPaths, number: int | None) -> Rows:
    """Strategies, round by round."""
    for here in _rounds(paths, number):
        for path in sorted(here.paths.strategies.glob("*.json")):
            yield {"round": here.number, **here.strategy(path.stem).model_dump()}


def samples(
    paths: RunPaths,
    number: int | None,
    verdict: str | None,
    pattern: str | None,
    origin: str | None = None,
) -> Rows:
    """Every row that was written, with its verdict; also those of a round that is not closed yet.

    Last come the rows of people on which no round has decided. They are of round 0.
    """
    decided: set[str] = set()
    for here in _rounds(paths, number):
        for row in _written(here):
            if row["origin"] == "person":
                decided.add(row["id"])
            if (
                verdict in (None, row["verdict"])
                and pattern in (None, row["pattern"])
                and origin in (None, row["origin"])
            ):
                yield row
    if number in (None, 0) and pattern is None and origin in (None, "person"):
        for waiting in all_rows(paths):
            if waiting.id not in decided and verdict in (None, waiting.checked.verdict):
                yield waiting.as_new_row().model_dump(mode="json")


def _written(here: Round) -> Rows:
    if here.paths.rows.exists():
        yield from read_jsonl(here.paths.rows)
        return
    for path in sorted(here.paths.augmented.glob("*.json")):
        yield from read_json(path)


def predictions(paths: RunPaths, number: int, split: str) -> Rows:
    """A round's predictions with their scores; test predictions are part of the final result only."""
    here = paths.round(number)
    scores = {row["id"]: row for row in _read(here.scores(split))}
    for row in _read(here.predictions(split)):
        yield {**row, "score": scores.get(row["id"])}


class FailureFate(BaseModel):
    """A failure behind a row, and what became of it with the student that was trained on the row's round."""

    id: str
    outcome: Outcome | None
    """None until that student was judged."""


class Continuation(BaseModel):
    """The next round's pattern that continues a row's pattern."""

    id: str
    name: str
    failures: list[str]


class Lineage(BaseModel):
    """Where a row comes from, and what became of what it was written for."""

    sample: NewRow
    pattern: dict[str, Any] | None
    strategy: Strategy | None
    source: str | None
    """The training row whose error it corrects, or that it says in other words, or the unlabelled row that it answers."""
    failures: list[FailureFate]
    """The validation rows behind its pattern."""
    outcome: PatternAccount | None
    """The pattern's account with the student that was trained on its rows, once that was judged."""
    next: list[Continuation]
    """Patterns of the next round that continue its pattern, once that round was judged."""


def lineage(paths: RunPaths, name: str) -> Lineage:
    """Where a row comes from, and what became of it.

    Raises:
        NotFound: the run has no such row.
    """
    sample = next((row for row in samples(paths, None, None, None) if row["id"] == name), None)
    if sample is None:
        raise NotFound(f"This run has no row {name!r}.")
    row = NewRow(**sample)
    here = Round(paths, row.round)
    pattern = here.patterns().get(row.pattern or "")
    return Lineage(
        sample=row,
        pattern=pattern.model_dump(exclude={"centroid"}) if pattern else None,
        strategy=here.strategy(pattern.id) if pattern else None,
        source=row.source,
        failures=_fates(paths, here, pattern.failures) if pattern else [],
        outcome=here.accounts().get(row.pattern or ""),
        next=_continuations(Round(paths, row.round + 1), row.pattern) if pattern else [],
    )


def _fates(paths: RunPaths, here: Round, failures: list[str]) -> list[FailureFate]:
    outcomes = failure_outcomes(Round(paths, here.number - 1), here) if here.judged else {}
    return [FailureFate(id=failure, outcome=outcomes.get(failure)) for failure in failures]


def _continuations(following: Round, pattern: str | None) -> list[Continuation]:
    named = following.patterns()
    return [
        Continuation(id=name, name=named[name].name, failures=named[name].failures)
        for name, account in following.accounts().items()
        if account.matched == pattern
    ]


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


def _rounds(paths: RunPaths, number: int | None) -> list[Round]:
    """One round, or all that have begun."""
    return [Round(paths, one) for one in ([number] if number is not None else paths.begun_rounds())]


def _read(path: Path) -> Rows:
    return read_jsonl(path) if path.exists() else iter(())
