"""A folder in which a run starts: as it was before, if the run does not begin."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.launchers.trainer_process import furthest, last_word
from graphs.run_paths import RunPaths
from graphs.teacher.ledger_file import holds_attempts

LOCK = ".lock"


class FolderBefore:
    """What was in a place before a start made a folder there.

    Args:
        root: the run's folder, or where it will be.
    """

    def __init__(self, root: Path):
        self._root = root
        self._missing = [path for path in (root, *root.parents) if not path.exists()]
        """The folders that were not there, from the inside out."""
        self._names = set() if self._missing else {path.name for path in root.iterdir()}

    @contextmanager
    def unless_begun(self) -> Iterator[None]:
        """After an error, take back what a start has written, unless a student was trained or a teacher asked.

        Only what a start of its own has written goes: a folder that was not there or was empty is so again.
        """
        try:
            yield
        except Exception:
            if not self._names - {LOCK} and not has_begun(RunPaths(self._root)):
                self._clear()
            elif LOCK not in self._names and self._names:
                (self._root / LOCK).unlink(missing_ok=True)
            raise

    def _clear(self) -> None:
        with suppress(OSError):  # the error that ended the start is the one to show
            for path in self._root.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name not in self._names:
                    path.unlink()
            for folder in self._missing:
                folder.rmdir()


def has_begun(paths: RunPaths) -> bool:
    """Whether a folder holds what a later start would go on with: a training, or answers of a teacher.

    A trainer that ended without a word has left a log to look at.
    """
    if holds_attempts(paths.ledger) or any(paths.root.rglob("predictions")):
        return True
    logs = [order.with_name("progress.jsonl") for order in paths.root.rglob("spec.json")]
    return any(furthest(log)[0] > 0 or last_word(log) is None for log in logs)
