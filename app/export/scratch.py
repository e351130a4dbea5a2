"""The folder in which an export is made. One that a killed export has left is removed by the next export beside it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".export-"
LOCK = "lock"
"""Held as long as the export works; the kernel drops it with the process."""
OLD_SECONDS = 86_400.0
"""A folder without a lock that is older than this was left by a process that was killed before it made one."""


@contextmanager
def scratch_in(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, removed at the end. Those of dead exports are removed first."""
    sweep(parent)
    with tempfile.TemporaryDirectory(dir=parent, prefix=PREFIX) as name:
        folder = Path(name)
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder


def sweep(parent: Path) -> None:
    """Remove the folders of exports that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        if folder.is_dir() and not folder.is_symlink() and is_dead(folder):
            shutil.rmtree(folder, ignore_errors=True)


def is_dead(folder: Path) -> bool:
    """Whether nobody works in the folder any more."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return _age(folder) > OLD_SECONDS
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _age(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return 0.0
