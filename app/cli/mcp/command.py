"""`pada mcp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.errors import PadaError


def mcp(
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder that tools may read and write in; may be repeated; default: the current one.",
            metavar="DIR",
        ),
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option(help="Refuse runs whose `budget.max_usd` is larger, or missing.", min=0)
    ] = None,
) -> None:
    """Serve the tools check, run, status, patterns, rows, review, report and stop to a coding agent, over stdio."""
    try:
        from app.cli.mcp.server import build_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise PadaError("pada mcp needs the package mcp: pip install 'pada[mcp]'.") from None
    from app.cli.mcp.folders import Folders
    from app.cli.mcp.tools import Tools
    from app.settings import Settings

    build_server(Tools(Folders(folder or [Path.cwd()]), Settings(), max_usd)).run()
