"""Takes a row that a person adds to a run: `python -m app.engine.added_rows FOLDER` reads one from standard input.

The free checks that need no model look at it at once, in a process of its own in the service, because they read all rows.
The round that takes the row checks it again, with the embedder and the judge, and decides.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from app.config.run_config import RunConfig, load_config
from app.engine.row_text import Answer, RowText
from app.errors import Conflict, FolderError
from graphs import person_rows
from graphs.checks.row_checks import CheckResult, RowChecks
from graphs.checks.template import Template
from graphs.person_rows import PersonRow
from graphs.rounds import Round
from graphs.rows import Decision
from graphs.run_paths import RunPaths
from graphs.workspace import log_test_access
from trainer.artifacts import read_models
from trainer.records import Example
from trainer.tasks import load_task

MOST_WAITING = 1000
"""Rows that wait for a round of one run: each costs a call of the judge."""
PASSED = Decision(
    verdict="waiting",
    reason="It passed the checks that need no model. A round that takes it also compares its meaning, and asks the judge.",
)


def add_row(paths: RunPaths, config: RunConfig, text: RowText) -> PersonRow:
    """Check a row and keep it, also one that the checks reject: its verdict is shown, and the round decides.

    Raises:
        Conflict: the run has read no rows yet, or too many rows wait.
        FolderError: the run's rows are missing.
    """
    if not paths.data_report.exists():
        raise Conflict("This run has not read its rows yet. Add the row once its first student is trained.")
    waiting = person_rows.waiting(paths)
    if len(waiting) >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING:,} rows of people wait for a round of this run, which is the limit.")
    result = check(paths, config, text, waiting)
    checked = Decision(verdict=result.check, reason=result.reason) if result else PASSED
    return person_rows.add(paths, text.prompt, text.completion, checked, result.evidence if result else None)


def check(paths: RunPaths, config: RunConfig, text: RowText, waiting: list[PersonRow]) -> CheckResult | None:
    """The first free check that rejects the row; None if it passes. All but its meaning is compared."""
    rows = {split: _examples(paths, split) for split in ("train", "validation")}
    log_test_access(paths, "compared with a row that a person added, so that none of it leaks into training")
    guarded = {"validation": rows["validation"], "test": _examples(paths, "test")}
    template = Template.from_prompts([row.prompt for row in rows["train"]])
    task = load_task(config.task, rows["train"])
    checks = RowChecks(template, rows["train"], guarded, None, task.new_row_error, config.loop)
    own = person_rows.row_id(text.prompt, text.completion)
    known = [row for number in paths.begun_rounds() for row in Round(paths, number).accepted()]
    known += [
        Example(id=row.id, prompt=row.prompt, completion=row.completion)
        for row in waiting
        if row.checked.verdict == "waiting"
    ]
    others = [row for row in known if row.id != own]
    checks.add([row.id for row in others], [row.prompt for row in others], [row.completion for row in others])
    return checks.check([(text.prompt, text.completion)], np.zeros((1, 1), np.float32))[0]


def _examples(paths: RunPaths, split: str) -> list[Example]:
    try:
        return read_models(Example, paths.data(split))
    except FileNotFoundError as error:
        raise FolderError(f"{error.filename}: the run's rows are missing.") from None


def main() -> None:
    """Add the row on standard input to the run in a folder, and print an `Answer`."""
    paths = RunPaths(Path(sys.argv[1]))
    try:
        answer = Answer(
            row=add_row(paths, load_config(paths.config), RowText.model_validate_json(sys.stdin.read()))
        )
    except Conflict as error:
        answer = Answer(fault=str(error))
    sys.stdout.write(answer.model_dump_json())


if __name__ == "__main__":
    main()
