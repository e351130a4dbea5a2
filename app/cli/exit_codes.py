"""Exit codes and error output."""

from __future__ import annotations

from typing import NoReturn

import typer

FAILED = 1
PAUSED = 3
"""Exit code of a run that waits, for example for a budget, an endpoint or a review. Start it again to continue."""

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGINT."""


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Print one paragraph on standard error, and exit."""
    typer.secho(f"pada: {message}", err=True, fg=typer.colors.RED)
    raise SystemExit(code)
