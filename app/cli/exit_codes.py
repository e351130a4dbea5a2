"""How a command ends when not all is well."""

from __future__ import annotations

from typing import NoReturn

import typer

FAILED = 1
PAUSED = 3
"""Exit code of a run that waits: for a budget, an endpoint or a review. It goes on when it is started again."""


def fail(message: str, code: int = FAILED) -> NoReturn:
    """End with one paragraph on standard error."""
    typer.secho(f"pada: {message}", err=True, fg=typer.colors.RED)
    raise SystemExit(code)
