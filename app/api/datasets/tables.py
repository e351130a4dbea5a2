"""Files as people have them: kept for a day, looked at, corrected, and made into data sets."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from app.api.datasets import service
from app.api.datasets.preparation import Corrections, Preparation, safe_name
from app.api.datasets.service import Received, described, printable, run_module, split_rows
from app.db import datasets as dataset_repository
from app.db.engine import Sessions
from app.db.models import DataSet
from app.errors import NotFound
from app.prepare.preview import Preview
from app.prepare.proposal import Proposal
from app.prepare.tables import InputError
from app.settings import Settings
from trainer.artifacts import read_model, write_json

TABLE = "table"
"""The purpose of such a file."""
KEPT_SECONDS = 24 * 3600.0
MOST_KEPT = 20
"""Files of one owner."""
SEEN = ".preview.json"
"""What was guessed when the file came. No stored file has a name that begins with a dot."""
MISSING = "There is no file {}. It is kept for a day: upload it again."

Turn = AbstractAsyncContextManager[Any]
"""Held while rows are read, because that takes several times the file's size in memory."""


async def receive(file: UploadFile, folder: Path, turn: Turn) -> Received:
    """Write a file to `folder`, with what is guessed of it.

    Raises:
        InputError: it is no file that `pada init` reads, and no correction can help.
    """
    given = file.filename or ""
    path = folder / safe_name(given)

    def save() -> None:
        with path.open("xb") as copy:
            shutil.copyfileobj(file.file, copy)

    await asyncio.to_thread(save)
    seen = await _preview(path, Corrections(), turn)
    if seen.fault and not seen.correctable:
        raise InputError(seen.fault)
    write_json(folder / SEEN, seen)
    stored = await asyncio.to_thread(described, path, seen.read)
    return Received(folder, printable(given) or path.name, "", {"file": stored | {"name": path.name}})


async def find(session: AsyncSession, name: str, owner: str | None) -> DataSet:
    """A file by id.

    Raises:
        NotFound: there is none, or it is not this owner's.
    """
    row = await dataset_repository.get_by_id(session, name, owner, purpose=TABLE)
    if row is None:
        raise NotFound(MISSING.format(repr(name)))
    return row


def path_of(row: DataSet, settings: Settings) -> Path:
    """Where the file is."""
    return settings.datasets / row.id / str(row.files["file"]["name"])


async def look(row: DataSet, corrections: Corrections, settings: Settings, turn: Turn) -> Preview:
    """The first rows and every guess, with these corrections."""
    path = path_of(row, settings)
    if corrections == Corrections():
        return read_model(Preview, path.parent / SEEN)
    return await _preview(path, corrections, turn)


async def _preview(path: Path, corrections: Corrections, turn: Turn) -> Preview:
    async with turn:
        output = await run_module("app.api.datasets.preview", str(path), corrections.model_dump_json())
    return Preview.model_validate_json(output)


async def take(
    row: DataSet, corrections: Corrections, folder: Path, settings: Settings, turn: Turn
) -> tuple[Received, Preparation]:
    """Make the three splits of a data set in `folder`.

    Raises:
        InputError: no rows can be made of the file so.
        TooLarge: it has too many rows.
    """
    path = path_of(row, settings)
    os.link(path, folder / path.name)
    files, made = await split_rows(
        folder, settings, turn, "app.api.datasets.prepare", corrections.model_dump_json(), path.name
    )
    if made.fault:
        raise InputError(made.fault)
    return Received(folder, row.name, "", files), made


async def make_once(session: AsyncSession, table: DataSet, received: Received, settings: Settings) -> DataSet:
    """The data set of these rows: the one that is there, if they were taken from such a file before.

    Raises:
        Conflict: the owner has no room for it.
    """
    # who takes the same rows a second time waits here for the first
    await dataset_repository.get_by_id(session, table.id, table.owner, purpose=TABLE, lock=True)
    there = await dataset_repository.get_same(session, table.owner, received.name, received.files)
    return there or await service.publish(session, table.owner, received, settings)


async def propose(dataset: DataSet, task: str, settings: Settings, turn: Turn) -> Proposal:
    """The settings of a run on a data set."""
    async with turn:
        output = await run_module("app.api.datasets.propose", str(settings.datasets / dataset.id), task)
    return Proposal.model_validate_json(output)


async def delete_old(sessions: Sessions, owner: str, settings: Settings) -> None:
    """Delete files that were uploaded more than a day ago, and the oldest of an owner who has many; the data sets that were
    made of them stay."""
    async with sessions.begin() as session:
        rows = await dataset_repository.get_outdated(session, TABLE, KEPT_SECONDS, owner, MOST_KEPT)
        names = [row.id for row in rows]
        for row in rows:
            await dataset_repository.delete(session, row)
    for name in names:
        await asyncio.to_thread(shutil.rmtree, settings.datasets / name, ignore_errors=True)


async def publish(session: AsyncSession, owner: str, received: Received, settings: Settings) -> DataSet:
    """Keep a file for its owner."""
    return await service.publish(session, owner, received, settings, purpose=TABLE)
