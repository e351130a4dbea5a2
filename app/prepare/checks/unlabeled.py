"""Checks the rows without answers: what cannot be read, and what a run would not use."""

from __future__ import annotations

from pathlib import Path

from app.config.splits import SPLITS, UNLABELED
from app.config.unlabeled import prompt_owners
from app.prepare.checks.findings import Finding, Place, finding
from app.prepare.checks.rows import Rows, SourceRow
from app.prepare.checks.similar import near_rows
from graphs.checks.prompt_form import PromptForm
from trainer.data_files import DataError, scan_examples
from trainer.tasks import Task


def read_unlabeled_rows(task: Task, path: Path, rows: Rows) -> tuple[list[SourceRow], list[Finding]]:
    """The rows that a run may choose from, in the form of the train rows, and what is wrong with the others.

    Args:
        rows: those of the splits.
    """
    try:
        scan = scan_examples(path, task.prompt_error, answers=False)
    except DataError as error:
        return [], finding("fault", "file", f"data.unlabeled: {error}", [Place(file=str(path))])
    faulty = [Place(file=str(path), line=each.line, detail=each.reason) for each in scan.faults]
    found = finding("fault", "row", "Rows of unlabeled cannot be used.", faulty)
    splits = {split: [row.example for row in rows.get(split, [])] for split in SPLITS}
    form = PromptForm.from_rows(splits["train"])
    pool = [
        SourceRow(UNLABELED, path, line, form.fit(example))
        for line, example in zip(scan.lines, scan.rows, strict=True)
    ]
    owners = list(prompt_owners([row.example for row in pool], splits))
    known = [
        row.place(
            "an earlier row has its prompt" if owner == UNLABELED else f"its prompt is that of a {owner} row"
        )
        for row, owner in zip(pool, owners, strict=True)
        if owner
    ]
    kept = [row for row, owner in zip(pool, owners, strict=True) if owner is None]
    if not kept and not faulty:
        message = f"data.unlabeled: {path} has no prompt that no other row has. Add rows, or leave it out."
        found += finding("fault", "empty", message, [Place(file=str(path))])
    found += finding(
        "note", "unlabeled_known", "Unlabelled rows are left out: other rows have their prompts.", known
    )
    return kept, found + check_near_unlabeled(kept, rows)


def check_near_unlabeled(pool: list[SourceRow], rows: Rows) -> list[Finding]:
    """Rows that differ in a few characters from one of a split: a run refuses most of them when it looks at them."""
    groups, _ = near_rows([*(row for split in SPLITS for row in rows.get(split, [])), *pool])
    near = [
        row.place(f"nearly the prompt of {same[0]}")
        for same in groups
        for row in same[1:]
        if row.split == UNLABELED and same[0].split != UNLABELED
    ]
    message = (
        "Unlabelled rows are nearly rows of train, validation or test. A run uses none that is too close."
    )
    return finding("note", "unlabeled_near", message, near)
