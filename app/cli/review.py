"""Shows the review that a run waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.engine.reviews import PendingReview
from app.report.wording import one_line, plural
from graphs.review import FINAL
from graphs.rows import NewRow
from graphs.run_paths import RunPaths
from trainer.artifacts import read_models

LONG = 400
"""Characters of a text that are shown."""
PIPED = 200
"""Columns of a table where there is no terminal."""


def show(review: PendingReview, folder: Path) -> None:
    """Show the patterns or rows to review, and how to answer."""
    if review.about == "patterns":
        show_patterns(review.patterns)
        how = "leave a pattern out with `--veto ID`; merge and edit with `--answer FILE.json`."
    else:
        show_rows(RunPaths(folder).round(review.round).rows)
        how = "leave a row out with `--reject ID`; train on a rejected one after all with `--accept ID`."
    typer.echo(f"Continue with `pada review {folder} --approve`; {how}")


def show_patterns(patterns: list[dict[str, Any]]) -> None:
    """Each pattern with its strategy."""
    for pattern in patterns:
        texts = {key: one_line(str(value), LONG) for key, value in pattern.items()}
        typer.echo(f"{texts['id']}  {texts['name']} ({plural(pattern['failures'], 'failure')})")
        typer.echo(f"    {texts['description']}\n    {texts['title']}: {texts['instructions']}\n")


def show_rows(path: Path) -> None:
    """The rows of a round that can be decided on, accepted ones first."""
    rows = [row.as_checked() for row in read_models(NewRow, path)]
    undecided = [row for row in rows if row.verdict not in FINAL]
    console = Console()
    console.width = console.width if console.is_terminal else PIPED
    console.print(table(sorted(undecided, key=lambda row: row.verdict != "accepted")))
    if final := [row.verdict for row in rows if row.verdict in FINAL]:
        kinds = ", ".join(sorted(set(final)))
        typer.echo(f"{plural(len(final), 'row')} that nobody can accept are not shown ({kinds}).")
    typer.echo(f"Whole texts and reasons: {path}")


def table(rows: list[NewRow]) -> Table:
    """A line for each row; texts are not interpreted as markup."""
    shown = Table(show_lines=True)
    for name in ("row", "for", "verdict"):
        shown.add_column(name, no_wrap=True)
    for name in ("prompt", "completion"):
        shown.add_column(name, overflow="fold")
    for row in rows:
        purpose = row.pattern or (f"error {row.source}" if row.source else row.origin)
        if row.origin == "unlabeled":
            purpose = f"answer to {row.source}"
        texts = (row.id, purpose, row.verdict, row.prompt, row.completion)
        shown.add_row(*(Text(one_line(text, LONG)) for text in texts))
    return shown
