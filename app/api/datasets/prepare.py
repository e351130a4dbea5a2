"""Makes a data set of a file as people have it: `python -m app.api.datasets.prepare FOLDER NAME`.

It runs in a separate process, as `app.api.datasets.check` does. It reads `FOLDER/NAME`, does what `pada init --yes`
does, leaves the three splits in FOLDER, and prints a `Preparation` as JSON.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from app.api.datasets.preparation import Preparation
from app.config.data import DataSpec
from app.config.run_config import RunConfig
from app.config.splits import SPLITS
from app.prepare.checks.check import check_rows
from app.prepare.config_text import config_text
from app.prepare.files import read_all
from app.prepare.layout import Choices
from app.prepare.output import DATA, write_plan
from app.prepare.plan import Plan, SplitOptions, make_plan
from app.prepare.tables import InputError, ReadOptions
from trainer.data_files import DataError

SHOWN = 5
"""Rows that were left out, and answers that contradict each other, that are named."""


def prepare(folder: Path, names: Sequence[str], said: Choices, *, checked: bool = False) -> Preparation:
    """The splits in `folder`, and what to say about them. Messages do not show the folder.

    Args:
        names: files in `folder`; a name such as `validation.jsonl` says which split the rows are for.
        said: what is known of their columns and their task.
        checked: also say what `pada check` finds in the rows, which takes two seconds.
    """
    try:
        plan = make_plan(
            read_all([str(folder / name) for name in names], ReadOptions()), said, SplitOptions()
        )
        write_plan(plan, folder / "made", 0)
    except (InputError, DataError) as error:
        return Preparation(fault=str(error).replace(f"{folder}/", ""))
    for split in SPLITS:
        (folder / "made" / DATA / f"{split}.jsonl").replace(folder / f"{split}.jsonl")
    shutil.rmtree(folder / "made")
    rows = {split: len(plan.rows[split]) for split in SPLITS}
    notes = notes_of(plan) + (check_notes(folder, plan.task.name) if checked else [])
    return Preparation(rows=rows, config=config_text(plan, 0, served=True), notes=notes)


def notes_of(plan: Plan) -> list[str]:
    """What a person should know of a plan, a sentence each."""
    notes = [f"The columns are a guess that is {plan.layout.sureness}."]
    notes += plan.layout.reasons
    notes += [f"The task is {plan.task.name} ({plan.task.sureness}).", *plan.task.reasons]
    notes += plan.notes
    notes += [f"Look at this: {warning}" for warning in plan.task.warnings]
    notes += [f"Look at this: {conflict}" for conflict in plan.conflicts[:SHOWN]]
    if plan.skipped:
        notes.append(f"{len(plan.skipped):,} of {plan.read:,} rows are left out:")
        notes += [f"{item.place}: {item.reason}" for item in plan.skipped[:SHOWN]]
    return notes


def check_notes(folder: Path, task: str) -> list[str]:
    """What `pada check` finds in the rows, a sentence each; lines count in the files that were made."""
    report, _ = check_rows(RunConfig(task=task, data=DataSpec(folder=folder)))
    notes = [
        f"{report.splits[split].rows:,} {split} rows show a true difference of {shows.value * 100:.1f} points or more."
        for split, shows in report.shows.items()
    ]
    for finding in report.findings:
        if finding.level == "note":
            continue
        place = next((place for place in finding.places if place.detail), None)
        first = f" For one, {Path(place.file).name}, line {place.line}: {place.detail}." if place else ""
        count = f" ({finding.count:,} rows)" if finding.count > 1 else ""
        notes.append(f"Look at this: {finding.message}{count}{first}".replace(f"{folder}/", ""))
    return notes


if __name__ == "__main__":
    sys.stdout.write(prepare(Path(sys.argv[1]), sys.argv[2:], Choices(), checked=True).model_dump_json())
