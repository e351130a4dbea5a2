"""`pada pool FOLDER FOLDER ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pool(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of finished comparisons.", metavar="FOLDER...")
    ],
    against: Annotated[
        str | None,
        typer.Option(help="The method to compare with, beside vanilla; default: the first folder's."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the result here as JSON.")] = None,
) -> None:
    """Take comparisons together: the same methods on several tasks, or with more seeds."""
    from app.cli.compare_tables import show_pooled
    from app.compare.pooled import pool as pooled_over
    from trainer.artifacts import write_json

    found = pooled_over(folders, against)
    show_pooled(found)
    if output:
        write_json(output, found)
        typer.echo(str(output))
