"""What comes of a file as people have it; light, because the service imports it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from app.prepare.tables import ENDINGS, InputError


class Preparation(BaseModel):
    """What was made of a file, or why nothing was."""

    fault: str = ""
    rows: dict[str, int] = {}
    """By split."""
    config: str = ""
    """A config for these rows, as the service takes it."""
    notes: list[str] = []
    """What was guessed and why, and what a person should look at."""


def safe_name(given: str) -> str:
    """A file name with the ending of the given one, which says how to read it.

    Raises:
        InputError: no such file is read.
    """
    endings = [suffix.lower() for suffix in Path(given).suffixes]
    gzip = ".gz" if endings[-1:] == [".gz"] else ""
    ending = next(iter(endings[-2:-1] if gzip else endings[-1:]), "")
    if ending not in ENDINGS:
        raise InputError(f"A file whose name ends with {', '.join(ENDINGS)} is needed.")
    return f"upload{ending}{gzip}"
