"""From the user's files to the rows of a run: reads, checks and limits the rows, and writes them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from app.config.asked import comparable_prompt
from app.config.given_path import why_no_rows
from app.config.hub import fetch
from app.config.inputs import data_inputs, refuse_change
from app.config.sampling import sample_per_stratum, sample_stratified
from app.config.splits import SPLITS, UNLABELED, Split
from app.config.unlabeled import read_unlabeled
from graphs.artifacts import DataReport
from graphs.run_paths import RunPaths
from trainer.artifacts import read_model, write_json, write_jsonl
from trainer.data_files import DataError, line_of
from trainer.records import Example, Prediction
from trainer.strict import Name, Strict
from trainer.tasks import Task, load_task

LISTED = 5
"""Number of examples that an error message names."""


class LimitSpec(Strict):
    """Maximum number of rows of each split. They are drawn with the run's seed, in proportion to the task's strata."""

    train: int | None = Field(None, ge=1, le=10_000_000)
    """Maximum number of train rows."""
    validation: int | None = Field(None, ge=1, le=10_000_000)
    """Maximum number of validation rows."""
    test: int | None = Field(None, ge=1, le=10_000_000)
    """Maximum number of test rows."""
    per_class: int | None = Field(None, ge=1, le=1_000_000)
    """Maximum number of train rows of each stratum, such as a label; `train` then limits the rest."""


class DataSpec(Strict):
    """Where the rows are: a folder with `train.jsonl`, `validation.jsonl` and `test.jsonl`, a path each, or the hub.

    A plain text is the folder. Relative paths count from the config file's folder.
    """

    hub: bool | Name | None = None
    """True: the task's own data set, by the `datasets` library. A text: a copy of it, as a repository or a folder."""
    folder: Path | None = None
    """A folder with `train.jsonl`, `validation.jsonl` and `test.jsonl`."""
    train: Path | None = None
    """File of the train rows; None is `train.jsonl` in `folder`."""
    validation: Path | None = None
    """File of the validation rows; None is `validation.jsonl` in `folder`."""
    test: Path | None = None
    """File of the test rows; None is `test.jsonl` in `folder`."""
    unlabeled: Path | None = None
    """File of rows without answers, such as logs. The teacher answers those that the student is to learn from."""
    limit: LimitSpec = LimitSpec()
    """A plain number limits the train rows."""

    @model_validator(mode="before")
    @classmethod
    def _plain_folder(cls, value: Any) -> Any:
        return {"folder": value} if isinstance(value, str | Path) else value

    @field_validator("limit", mode="before")
    @classmethod
    def _plain_limit(cls, value: Any) -> Any:
        if value is None:
            return LimitSpec()
        return {"train": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.hub:
            named = [name for name in ("folder", *SPLITS) if getattr(self, name) is not None]
            if named:
                raise ValueError(f"`data` has both `hub` and {' and '.join(named)}: keep one of them")
            return self
        missing = [split for split in SPLITS if self.folder is None and getattr(self, split) is None]
        if missing:
            raise ValueError(
                f"`data` lacks {' and '.join(missing)}: give a path for each split, a `folder`, or `hub: true`"
            )
        return self

    def unlabeled_file(self, base: Path = Path()) -> Path | None:
        """The file of the rows without answers, if there is one. Relative paths count from `base`."""
        return base / self.unlabeled.expanduser() if self.unlabeled else None

    def file(self, split: Split, base: Path = Path()) -> Path:
        """The file of a split; not for rows of the hub. Relative paths count from `base`."""
        named: Path | None = getattr(self, split)
        return base / (named or (self.folder or Path()) / f"{split}.jsonl").expanduser()


def prepare_data(spec: DataSpec, task_name: str, seed: int, paths: RunPaths) -> DataReport:
    """Write the run's three splits and the report on them. A second call only returns the report.

    Test rows are read for the checks only; nothing else depends on them.

    Raises:
        DataError: a file or a row cannot be used, splits overlap, a split has labels that train lacks, or the
            folder holds the rows of other inputs.
        OSError: the run's folder cannot be written.
    """
    files = split_files(spec, task_name, seed, paths)
    pool = spec.unlabeled_file()
    read: dict[str, Path] = {str(split): path for split, path in files.items()}
    if pool:
        read[UNLABELED] = pool
    inputs = data_inputs(spec.limit.model_dump(exclude_none=True), task_name, seed, read)
    if paths.data_report.exists():
        report = read_model(DataReport, paths.data_report)
        refuse_change(report.inputs, inputs, paths.root)
        if all(paths.data(name).exists() for name in read):
            return report
    rows = _load(load_task(task_name), files)
    _refuse_duplicate_ids(rows, files)
    _refuse_overlap(rows, files)
    limited = _limit(rows, load_task(task_name, rows["train"]), spec.limit, seed)
    task = load_task(task_name, limited["train"])
    _refuse_unseen(limited, task, files, spec.limit)
    _refuse_references(limited, task, files)
    found = read_unlabeled(task, pool, rows, limited["train"]) if pool else None
    for split in SPLITS:
        write_jsonl(paths.data(split), limited[split])
    if found:
        write_jsonl(paths.data(UNLABELED), found.rows)
    report = DataReport(
        rows={split: len(limited[split]) for split in SPLITS},
        rows_in_files={split: len(rows[split]) for split in SPLITS},
        inputs=inputs,
        test_rows="Read for these checks only: ids, overlap with other rows, unknown labels.",
        unlabeled=found.report if found else None,
    )
    write_json(paths.data_report, report)
    return report


def split_files(spec: DataSpec, task_name: str, seed: int, paths: RunPaths) -> dict[Split, Path]:
    """The files to read rows from; those of the hub are first written into the run's folder.

    Raises:
        DataError: two splits are one file, or the hub's rows cannot be had.
    """
    if spec.hub:
        place = spec.hub if isinstance(spec.hub, str) else None
        return fetch(load_task(task_name), place, seed, paths.source)
    files = {split: spec.file(split) for split in SPLITS}
    _refuse_same_file(files)
    plain = type(load_task(task_name)).load is Task.load
    if reason := why_no_rows(files, jsonl=plain):
        raise DataError(reason)
    return files


def _refuse_same_file(files: dict[Split, Path]) -> None:
    for one, other in combinations(SPLITS, 2):
        if files[one].resolve() == files[other].resolve():
            raise DataError(f"data.{one} and data.{other} are the same file, {files[one]}. Name a file each.")


def _load(task: Task, files: dict[Split, Path]) -> dict[Split, list[Example]]:
    if reason := task.unavailable_reason():
        raise DataError(reason)
    rows: dict[Split, list[Example]] = {}
    for split, path in files.items():
        try:
            rows[split] = task.load(path)
        except DataError as error:
            raise DataError(f"data.{split}: {error}") from None
        if not rows[split]:
            raise DataError(f"data.{split}: {path} has no rows.")
    return rows


def _refuse_duplicate_ids(rows: dict[Split, list[Example]], files: dict[Split, Path]) -> None:
    """Ids within one file are checked when it is read."""
    first: dict[str, Split] = {}
    faults = []
    for split in SPLITS:
        for example in rows[split]:
            if example.id in first:
                faults.append((example.id, first[example.id], split))
            first.setdefault(example.id, split)
    if faults:
        identifier, one, other = faults[0]
        raise DataError(
            f"The same id is that of {_row((one, identifier), files)} and of {_row((other, identifier), files)}. "
            "Give each row an id of its own." + _more(faults, "ids")
        )


def _refuse_overlap(rows: dict[Split, list[Example]], files: dict[Split, Path]) -> None:
    """No prompt may be in two splits, because the score would then measure memory."""
    first: dict[str, tuple[Split, str]] = {}
    faults = []
    for split in SPLITS:
        for example in rows[split]:
            seen = first.setdefault(comparable_prompt(example), (split, example.id))
            if seen[0] != split:
                faults.append((seen, (split, example.id)))
    if faults:
        one, other = faults[0]
        raise DataError(
            f"The same prompt is that of {_row(one, files)} and of {_row(other, files)}. "
            "Remove one of them: no split may hold rows of another." + _more(faults, "pairs")
        )


def _refuse_unseen(
    rows: dict[Split, list[Example]], task: Task, files: dict[Split, Path], limit: LimitSpec
) -> None:
    for split in SPLITS[1:]:
        unseen = Counter(reason for example in rows[split] if (reason := task.unknown_label(example)))
        if unseen:
            listed = ", ".join(f"{reason} (rows: {count})" for reason, count in unseen.most_common(LISTED))
            further = f" and {len(unseen) - LISTED} more" if len(unseen) > LISTED else ""
            limited = limit.train or limit.per_class
            raise DataError(
                f"data.{split}: {files[split]} has {listed}{further}, which train never shows"
                f"{' under `data.limit`' if limited else ''}: the student could not learn to answer so. "
                f"Add train rows for them{', raise the limit' if limited else ''}, or remove these rows."
            )


def _refuse_references(rows: dict[Split, list[Example]], task: Task, files: dict[Split, Path]) -> None:
    faults = [
        (split, example.id, fault)
        for split in SPLITS
        for example in rows[split]
        if (fault := reference_fault(task, example))
    ]
    if faults:
        split, identifier, fault = faults[0]
        raise DataError(
            f"No reply could be right for {_row((split, identifier), files)}: {fault} "
            "Correct the answer, or choose another task." + _more(faults, "rows")
        )


def reference_fault(task: Task, example: Example) -> str | None:
    """Why a row's own answer is wrong by the task's metric, so that no reply could be right; None if it is right."""
    if not task.self_contained or task.unavailable_reason():
        return None
    score = task.score(example, Prediction(id=example.id, text=task.render(example).completion))
    return None if score.correct else f"its own answer scores {score.value:g}. {score.explanation}"


def _row(row: tuple[Split, str], files: dict[Split, Path]) -> str:
    split, identifier = row
    line = line_of(files[split], identifier)
    return f"the {split} row {identifier!r} ({files[split]}{f', line {line}' if line else ''})"


def _more(faults: Sequence[object], what: str) -> str:
    return f" (Further such {what}: {len(faults) - 1}.)" if len(faults) > 1 else ""


def _limit(
    rows: dict[Split, list[Example]], task: Task, limit: LimitSpec, seed: int
) -> dict[Split, list[Example]]:
    limited = dict(rows)
    if limit.per_class:
        strata = [task.stratify_key(example) for example in rows["train"]]
        places = sample_per_stratum(strata, limit.per_class, seed)
        limited["train"] = [rows["train"][place] for place in places]
    for split in SPLITS:
        total = getattr(limit, split)
        if total is not None:
            strata = [task.stratify_key(example) for example in limited[split]]
            limited[split] = [limited[split][place] for place in sample_stratified(strata, total, seed)]
    return limited
