"""Files that cannot be a ledger, and transactions that fail."""

import sqlite3
from pathlib import Path

import pytest

from graphs.errors import LoopError
from graphs.teacher.ledger_file import LedgerFile


def test_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be read as one\n" * 100)
    with pytest.raises(LoopError, match=r"notes\.txt cannot be used"):
        LedgerFile(path)


def test_ledger_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LoopError, match="format 99"):
        LedgerFile(path)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "ledger.sqlite")

    def fence(token: int, *, fails: bool) -> None:
        with file.transaction() as connection:
            connection.execute("INSERT INTO fences VALUES (?, ?)", (f"run {token}", token))
            if fails:
                raise KeyError

    fence(1, fails=False)
    with pytest.raises(KeyError):
        fence(2, fails=True)
    fence(3, fails=False)
    assert file.read("SELECT token FROM fences WHERE token > ? ORDER BY token", 0) == [(1,), (3,)]
    file.close()
