"""Exit codes and error output."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import typer

from app.cli.streams import say

FAILED = 1
PAUSED = 3
"""Exit code of a run that waits, for example for a budget, an endpoint or a review. Start it again to continue."""

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGINT."""


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Print one paragraph on standard error, with `--json` also as JSON on standard output, and exit."""
    say(f"pada: {message}", err=True, color=typer.colors.RED)
    print_error_as_json(message)
    raise SystemExit(code)


def print_error_as_json(message: str) -> None:
    """Print an error for programs that read standard output, if the command line asks for JSON.

    It is one form for all commands, also for options that a command does not know.
    """
    if "--json" in sys.argv[1:]:
        typer.echo(json.dumps({"type": "error", "ok": False, "error": message}, ensure_ascii=False))
