"""`pada init FILE...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Files = Annotated[
    list[str],
    typer.Argument(
        help="JSONL, JSON, CSV, TSV, XLSX or Parquet files, a folder of them, or hub:OWNER/NAME.",
        metavar="FILE...",
    ),
]
Output = Annotated[Path | None, typer.Option(help="Folder to write; default: the name of the first file.")]
Prompt = Annotated[
    list[str] | None, typer.Option(help="Column of what is asked; several are joined.", metavar="COL")
]
Answer = Annotated[str | None, typer.Option(help="Column of the answer.", metavar="COL")]
Group = Annotated[
    str | None, typer.Option(help="Column whose rows stay in one split, or none.", metavar="COL")
]
Time = Annotated[
    str | None, typer.Option(help="Column of dates: the newest rows are the test.", metavar="COL")
]
Task = Annotated[str | None, typer.Option(help="The task; see docs/reference/tasks.md.", metavar="NAME")]
Encoding = Annotated[str | None, typer.Option(help="Encoding of text files, such as cp1252.", metavar="NAME")]
Separator = Annotated[
    str | None, typer.Option(help="Separator of CSV files, such as ';' or tab.", metavar="SIGN")
]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether the first row names the columns.")
]
Unlabeled = Annotated[
    str | None,
    typer.Option(help="File of rows without answers, such as logs, in the same columns.", metavar="FILE"),
]


def init(
    files: Files,
    output: Output = None,
    prompt: Prompt = None,
    answer: Answer = None,
    group: Group = None,
    time: Time = None,
    task: Task = None,
    validation: Annotated[int | None, typer.Option(help="Validation rows.", min=1)] = None,
    test: Annotated[int | None, typer.Option(help="Test rows.", min=1)] = None,
    encoding: Encoding = None,
    separator: Separator = None,
    header: Header = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of an Excel workbook.", metavar="NAME")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split.", min=0)] = 0,
    unlabeled: Unlabeled = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take the guess without asking.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace `data/` and `config.yaml` of the folder.")
    ] = False,
) -> None:
    """Make the data and the config of a run from the files that you have."""
    from app.cli.prepare import prepare
    from app.prepare.layout import Choices
    from app.prepare.plan import SplitOptions
    from app.prepare.tables import ReadOptions

    prepare(
        files,
        output,
        Choices(prompt or [], answer, group, time, task),
        ReadOptions(encoding, separator, header, sheet),
        SplitOptions(validation, test, seed),
        unlabeled=unlabeled,
        yes=yes,
        force=force,
    )
