"""A task's own data set as three files of rows. It is fetched once; validation rows are split off where the source has
none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.config.asked import comparable_prompt
from app.config.sampling import sample_stratified
from app.config.splits import SPLITS, Split
from trainer.artifacts import write_json, write_jsonl
from trainer.data_files import DataError
from trainer.hub import load_split
from trainer.records import Example
from trainer.tasks import Task, known_tasks
from trainer.tasks.base import Hub

VALIDATION_SHARE = 0.1
"""Share of the train rows that become validation rows, where the source has no validation split with labels."""

Rows = dict[Split, list[Example]]


def fetch(task: Task, place: str | None, seed: int, folder: Path) -> dict[Split, Path]:
    """The files of the three splits. A second call returns the same files, even if the source has changed.

    Args:
        place: a copy to read instead of the task's own data set.
        seed: draws the validation rows.
        folder: receives `train.jsonl`, `validation.jsonl`, `test.jsonl` and, last, `source.json`.

    Raises:
        DataError: the task has no data set of its own, or it cannot be loaded.
    """
    files = {split: folder / f"{split}.jsonl" for split in SPLITS}
    if (folder / "source.json").exists():
        return files
    hub = hub_of(task)
    sources: dict[Split, str | None] = {split: getattr(hub, split) for split in SPLITS}
    found = {split: load_split(hub, name, place) if name else [] for split, name in sources.items()}
    rows: Rows = {split: _examples(task, found[split], sources[split] or "") for split in SPLITS}
    if not rows["validation"]:
        rows |= split_validation(task, rows["train"], seed)
    rows = deduplicate(rows)
    for split in SPLITS:
        write_jsonl(files[split], rows[split])
    counts = {"found": {split: len(found[split]) for split in SPLITS}}
    write_json(folder / "source.json", {"hub": hub.model_dump(exclude_none=True), "place": place, **counts})
    return files


def hub_of(task: Task) -> Hub:
    """Where a task's own data set is.

    Raises:
        DataError: it has none.
    """
    if task.hub is None:
        known = ", ".join(name for name, cls in known_tasks().items() if cls.hub)
        raise DataError(
            f"`data.hub`: the task {task.name!r} has no data set of its own; give files, or use one of {known}."
        )
    return task.hub


def _examples(task: Task, found: list[dict[str, Any]], source: str) -> list[Example]:
    """A row without an id is named by its split in the source and its number there, from 0."""
    converted = ((number, task.convert(row)) for number, row in enumerate(found))
    return [
        Example.model_validate(row | {"id": str(row.get("id") or f"{source}-{number}")})
        for number, row in converted
        if row is not None
    ]


def split_validation(task: Task, rows: list[Example], seed: int) -> Rows:
    """Split train rows into train and validation: whole groups, in proportion to the task's strata."""
    groups: dict[str, list[Example]] = {}
    for example in rows:
        groups.setdefault(task.group(example), []).append(example)
    names = list(groups)
    strata = [task.stratify_key(groups[name][0]) for name in names]
    places = sample_stratified(strata, max(1, round(len(names) * VALIDATION_SHARE)), seed)
    chosen = {names[place] for place in places}
    return {
        "train": [example for example in rows if task.group(example) not in chosen],
        "validation": [example for example in rows if task.group(example) in chosen],
    }


def deduplicate(rows: Rows) -> Rows:
    """Drop rows whose prompt is in another split. Test keeps all of its rows; validation loses those of test, and train
    those of both. Published splits share a few prompts."""
    seen: set[str] = set()
    kept: Rows = {}
    for split in reversed(SPLITS):
        kept[split] = [example for example in rows[split] if comparable_prompt(example) not in seen]
        seen |= {comparable_prompt(example) for example in kept[split]}
    return kept
