"""Which errors stand for a pause: those of a machine that has no room, however they are wrapped."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from graphs.errors import LoopError, MachineBlocked, machine_blocked


def full(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA max_page_count = 2")
        connection.execute("CREATE TABLE texts (text)")
        connection.execute("INSERT INTO texts VALUES (?)", ("x" * 100_000,))


def locked(path: Path) -> None:
    with closing(sqlite3.connect(path)) as holder, closing(sqlite3.connect(path, timeout=0)) as other:
        holder.execute("BEGIN EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")


def read_only(path: Path) -> None:
    path.touch()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.execute("CREATE TABLE texts (text)")


def no_file(path: Path) -> None:
    sqlite3.connect(path / "no" / "such" / "folder")


@pytest.mark.parametrize("trouble", [full, locked, read_only, no_file])
def test_a_database_of_a_machine_in_trouble(trouble: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error) as caught:
        trouble(tmp_path / "file.sqlite")
    try:
        raise LoopError("The ledger cannot be used.") from caught.value
    except LoopError as wrapped:
        pause = machine_blocked(wrapped)
    assert isinstance(pause, MachineBlocked)
    assert str(pause).startswith("The ledger cannot be used. ")


def test_the_file_is_named() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "rows.jsonl")
    assert str(machine_blocked(error)).startswith("rows.jsonl: No space left on device. The run keeps")


@pytest.mark.parametrize(
    "error", [LoopError("A row is wrong."), FileNotFoundError(errno.ENOENT, "x"), sqlite3.IntegrityError("x")]
)
def test_other_errors_end_the_run(error: Exception) -> None:
    assert machine_blocked(error) is None
