"""Receives, finds and deletes uploaded files, which are data sets of a single file."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from app.api.datasets.service import Received, described, printable, run_module
from app.api.fine_tuning.schemas import FILE
from app.api.openai_errors import NoSuchObjectError, ParameterError
from app.db import datasets as dataset_repository
from app.db.models import DataSet
from app.errors import TooLarge
from app.settings import Settings

PREFIX = "file-"
STORED = "file.jsonl"
ID = re.compile("[0-9a-f]{32}")


def bare(name: str, prefix: str) -> str:
    """The id in our tables, without the prefix that says what it is of; empty for what is no id."""
    found = name.removeprefix(prefix)
    return found if ID.fullmatch(found) else ""


def path_of(row: DataSet, settings: Settings) -> Path:
    """Where a file is."""
    return settings.datasets / row.id / STORED


async def receive(
    file: UploadFile, folder: Path, settings: Settings, turn: AbstractAsyncContextManager[Any]
) -> Received:
    """Write a file to `folder` and check its rows.

    Args:
        turn: held while rows are checked, because that takes several times the file's size in memory.

    Raises:
        ParameterError: a row cannot be used; the message names its line.
        TooLarge: it has too many rows.
    """
    given, path = printable(file.filename or "") or STORED, folder / STORED

    def save() -> None:
        with path.open("xb") as copy:
            shutil.copyfileobj(file.file, copy)

    await asyncio.to_thread(save)
    async with turn:
        checked = json.loads(await run_module("app.api.fine_tuning.file_check", str(path)))
    if "fault" in checked:
        raise ParameterError(checked["fault"].replace(STORED, given), "file", "invalid_file_format")
    if checked["rows"] > settings.max_dataset_rows:
        raise TooLarge("The file has more rows than this service takes (`PADA_MAX_DATASET_ROWS`).")
    stored = await asyncio.to_thread(described, path, checked["rows"])
    return Received(folder, given, f"{stored['sha256']} {given}", {"file": stored})


async def find(
    session: AsyncSession, name: str, owner: str | None, param: str, *, lock: bool = False
) -> DataSet:
    """A file by the id that clients know.

    Args:
        owner: the required owner; None accepts any.
        param: the parameter that names it.

    Raises:
        NoSuchObjectError: there is none, or it is not this owner's.
    """
    row = await dataset_repository.get_by_id(session, bare(name, PREFIX), owner, purpose=FILE, lock=lock)
    if row is None:
        raise NoSuchObjectError(f"No such File object: {name[:100]}", param)
    return row
