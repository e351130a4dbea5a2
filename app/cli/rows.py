"""`pada add-row` and `pada remove-row`: rows of a person in the folder of a run, also while it is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.run_folder import RunFolder, config_of, read_config
from app.cli.streams import say
from app.errors import PadaError

if TYPE_CHECKING:
    from app.engine.run_status import RunStatus

Prompt = Annotated[str, typer.Option(help="The row's prompt, as a student is asked.")]
Completion = Annotated[str, typer.Option(help="The right answer.")]
RowId = Annotated[str, typer.Argument(help="Id of the row.", metavar="ROW")]


def add_row(folder: RunFolder, prompt: Prompt, completion: Completion) -> None:
    """Add a row with the right answer. The run's next round checks it, and trains on it where it passes."""
    from app.engine.added_rows import add_row as add
    from app.engine.row_text import RowText, next_step
    from graphs.run_paths import RunPaths

    paths = RunPaths(folder.expanduser().resolve())
    config = read_config(config_of(paths.root))
    row = add(paths, config, RowText.of(prompt, completion))
    status: RunStatus = "finished" if paths.test_scores.exists() else "running"
    show_row(row.as_new_row().model_dump(mode="json"), next_step(status, config.loop, paths))


def remove_row(folder: RunFolder, row: RowId) -> None:
    """Take back a row that was added, as long as no round has taken it."""
    from graphs import person_rows
    from graphs.run_paths import RunPaths

    paths = RunPaths(folder.expanduser().resolve())
    config_of(paths.root)
    if row not in {each.id for each in person_rows.all_rows(paths)}:
        raise PadaError(f"{paths.root}: no person has added a row {row!r} to this run.")
    if number := person_rows.taken(paths).get(row):
        raise PadaError(f"{paths.root}: round {number} has taken this row.")
    person_rows.remove(paths, row)
    typer.echo(f"{row}: removed")


def show_row(row: dict[str, Any], next_step: str) -> None:
    """The row's verdict, and what happens to it."""
    say(f"{row['id']}: {row['verdict']}. {row['reason']}")
    if evidence := row["evidence"]:
        say(f"{evidence['split']} row {evidence['id']}: {evidence['text']}")
    typer.echo(next_step)
