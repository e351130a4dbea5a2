"""Receives, finds and deletes data sets."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.datasets.preparation import Preparation
from app.api.datasets.quotas import refuse_full
from app.api.datasets.upload import LONGEST_NAME, Upload
from app.db import datasets as dataset_repository
from app.db.engine import Sessions
from app.db.models import DataSet
from app.errors import Conflict, NotFound, TooLarge
from app.launchers.processes import python_module, start_child
from app.settings import Settings
from trainer.artifacts import publish_folder
from trainer.data_files import DataError

INCOMING = ".incoming-"
ABANDONED_SECONDS = 6 * 3600.0
"""A folder without a data set that is older than this was left by a process that was killed."""
MISSING = "There is no data set {}, or it is another key's. `GET /v1/datasets` lists yours."


@dataclass(frozen=True)
class Received:
    """An upload that was written to disk and checked, but is not a data set yet."""

    folder: Path
    name: str
    digest: str
    files: dict[str, Any]


@contextmanager
def incoming(settings: Settings) -> Iterator[Path]:
    """A folder for an upload; it is removed at the end, unless the upload was published."""
    folder = settings.datasets / f"{INCOMING}{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def receive(
    stream: AsyncIterator[bytes],
    content_type: str,
    folder: Path,
    settings: Settings,
    turn: AbstractAsyncContextManager[Any],
) -> Received:
    """Write an upload to `folder` and check its rows.

    Args:
        turn: held while rows are checked, because that takes several times the file's size in memory.

    Raises:
        TooLarge: there are too many bytes or rows.
        Unprocessable: it is no upload of a data set.
        DataError: a row cannot be used.
    """
    upload = Upload(
        folder,
        content_type,
        max_bytes=settings.max_dataset_bytes,
        max_rows=settings.max_dataset_rows,
    )
    try:
        async for piece in stream:
            await asyncio.to_thread(upload.feed, piece)
        upload.finish()
    finally:
        upload.close()
    name = upload.name
    async with turn:
        rows = await count_rows(folder)
    if sum(rows.values()) > settings.max_dataset_rows:
        raise TooLarge("The upload has more rows than this service takes (`PADA_MAX_DATASET_ROWS`).")
    files = {
        split: {"rows": rows[split], "bytes": saved.bytes, "sha256": saved.digest.hexdigest()}
        for split, saved in upload.files.items()
    }
    return Received(folder, name, upload.digest, files)


async def split_rows(
    folder: Path,
    settings: Settings,
    turn: AbstractAsyncContextManager[Any],
    module: str,
    *arguments: str,
) -> tuple[dict[str, Any], Preparation]:
    """Have a module make the three splits of a data set in `folder`, from files that are there.

    Args:
        module: prints a `Preparation`; called with the folder and the further arguments.

    Returns:
        `DataSet.files`, and what the module says; without files where that is a fault.

    Raises:
        TooLarge: there are too many rows.
    """
    async with turn:
        output = await run_module(module, str(folder), *arguments)
    made = Preparation.model_validate_json(output)
    if sum(made.rows.values()) > settings.max_dataset_rows:
        raise TooLarge("The file has more rows than this service takes (`PADA_MAX_DATASET_ROWS`).")
    files = {
        split: await asyncio.to_thread(described, folder / f"{split}.jsonl", made.rows[split])
        for split in made.rows
    }
    return files, made


def printable(name: str) -> str:
    """A file's name as it can be stored and shown."""
    return "".join(sign for sign in name if sign.isprintable())[:LONGEST_NAME]


def described(path: Path, rows: int) -> dict[str, Any]:
    """Rows, bytes and digest of one split."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"rows": rows, "bytes": path.stat().st_size, "sha256": digest}


async def count_rows(folder: Path) -> dict[str, int]:
    """Check the rows in a separate process; returns the number of rows of each split.

    Raises:
        DataError: a row cannot be used.
        RuntimeError: the check was killed, for example when memory ran out.
    """
    answer = json.loads(await run_module("app.api.datasets.check", str(folder)))
    if "fault" in answer:
        raise DataError(answer["fault"])
    rows: dict[str, int] = answer["rows"]
    return rows


async def run_module(name: str, *arguments: str, given: bytes = b"") -> bytes:
    """What a module of ours prints, run as a process of its own.

    Args:
        given: its standard input.

    Raises:
        RuntimeError: it was killed, for example when memory ran out.
    """
    pipe = asyncio.subprocess.PIPE
    child = await start_child(python_module(name, *arguments), stdin=pipe, stdout=pipe)
    try:
        output, _ = await child.communicate(given)
    finally:
        if child.returncode is None:
            child.kill()
    if child.returncode != 0:
        raise RuntimeError(f"{name} ended with {child.returncode}")
    return output


async def publish(
    session: AsyncSession,
    owner: str,
    received: Received,
    settings: Settings,
    *,
    purpose: str | None = None,
    source: str | None = None,
) -> DataSet:
    """Turn an upload into a data set.

    Args:
        purpose: of a single file; see `app.db.models.DataSet`.
        source: id of the uploaded file that the rows were taken from.

    Raises:
        Conflict: the owner has no room for it.
    """
    size = sum(file["bytes"] for file in received.files.values())
    await refuse_full(session, owner, settings, size, uploads=0 if source else 1)
    row = DataSet(
        id=uuid.uuid4().hex,
        owner=owner,
        name=received.name,
        files=received.files,
        purpose=purpose,
        source=source,
    )
    await dataset_repository.add(session, row)
    # `sweep` removes the folder if the row is not committed; a row without a folder would be worse
    await asyncio.to_thread(publish_folder, received.folder, settings.datasets / row.id)
    return row


async def find(session: AsyncSession, name: str, owner: str | None) -> DataSet:
    """A data set by id.

    Raises:
        NotFound: there is none, or it is not this owner's.
    """
    row = await dataset_repository.get_by_id(session, name, owner)
    if row is None:
        raise NotFound(MISSING.format(name))
    return row


async def delete(
    sessions: Sessions, name: str, owner: str | None, settings: Settings, *, purpose: str | None = None
) -> None:
    """Remove a data set and its files; with an uploaded file, also what was taken from it.

    Raises:
        NotFound: there is none, or it is not this owner's.
        Conflict: a run still needs it.
    """
    async with sessions.begin() as session:
        row = await dataset_repository.get_by_id(session, name, owner, purpose=purpose, lock=True)
        if row is None:
            raise NotFound(MISSING.format(name))
        rows = [row, *await dataset_repository.get_taken_from(session, name)]
        names = [each.id for each in rows]
        if await dataset_repository.is_in_use(session, names):
            raise Conflict("A run that has not ended uses these rows. Cancel the run, or wait for its end.")
        for each in rows:
            await dataset_repository.delete(session, each)
    for each_name in names:
        await asyncio.to_thread(shutil.rmtree, settings.datasets / each_name, ignore_errors=True)


async def sweep(sessions: Sessions, settings: Settings) -> None:
    """Remove what killed processes left: uploads that never ended, and folders without a data set."""
    old = await asyncio.to_thread(_abandoned, settings.datasets)
    async with sessions.begin() as session:
        known = await dataset_repository.get_existing_ids(session, [folder.name for folder in old])
    for folder in old:
        if folder.name not in known:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _abandoned(datasets: Path) -> list[Path]:
    before = time.time() - ABANDONED_SECONDS
    folders = datasets.iterdir() if datasets.exists() else ()
    return [folder for folder in folders if folder.stat().st_mtime < before]
