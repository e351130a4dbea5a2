"""What is said of a file as people have it, and what comes of it; light, because the service imports it."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, Field

from app.prepare.tables import ENDINGS, InputError

MOST_BYTES = 180
"""Of a stored file's name; file systems take 255."""


class Preparation(BaseModel):
    """What was made of a file, or why nothing was."""

    fault: str = ""
    rows: dict[str, int] = {}
    """By split."""
    config: str = ""
    """A config for these rows, as the service takes it."""
    task: str = ""


class Corrections(BaseModel):
    """What a person says of a file where `pada init` would guess; the names are those of its options."""

    sheet: str | None = Field(None, max_length=500)
    encoding: str | None = Field(None, max_length=100)
    separator: str | None = Field(None, max_length=10)
    header: bool | None = None
    prompt: list[str] = Field([], max_length=20)
    answer: str | None = Field(None, max_length=10_000)
    group: str | None = Field(None, max_length=10_000)
    time: str | None = Field(None, max_length=10_000)
    task: str | None = Field(None, max_length=200)
    validation: int | None = Field(None, ge=1, le=10_000_000)
    test: int | None = Field(None, ge=1, le=10_000_000)
    seed: int = Field(0, ge=0, lt=2**32)


def safe_name(given: str) -> str:
    """The name to store a file under: its own, without what a file system or a message could take amiss.

    Raises:
        InputError: no such file is read.
    """
    name = re.sub(r"[^\w .()+-]", "_", Path(given).name).lstrip(". ")
    endings = [suffix.lower() for suffix in Path(name).suffixes]
    gzip = ".gz" if endings[-1:] == [".gz"] else ""
    ending = next(iter(endings[-2:-1] if gzip else endings[-1:]), "")
    if ending not in ENDINGS:
        raise InputError(f"A file whose name ends with {', '.join(ENDINGS)} is needed, or with .gz after it.")
    stem = name[: -len(ending + gzip)] or "upload"
    return stem.encode()[:MOST_BYTES].decode(errors="ignore") + ending + gzip
