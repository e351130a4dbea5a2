"""Who may write into a run's folder, where several processes may come to own the run."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel


class Superseded(Exception):  # noqa: N818 - nothing is wrong: the work belongs to another process now
    """Another process owns the run: this one may write no more."""


class Fence(BaseModel):
    """Who may write into a run's folder: the owner with the highest token, of those that have a file in `folder`.

    A lease alone cannot keep out a process that slept past its end, so each write looks (Kleppmann 2016, "How to do
    distributed locking"). Owners are only ever added, so that no order of events gives a run back.
    """

    folder: Path
    """`RUN/owners`: an empty file for each token. It fences `RUN`."""
    token: int

    def take(self) -> None:
        """Become the owner.

        Raises:
            Superseded: there is a later one already.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / str(self.token)).touch()
        sync_folder(self.folder)
        self.check()

    def check(self) -> None:
        """Raises Superseded when the run has gone to another process."""
        if any(int(name) > self.token for name in os.listdir(self.folder)):
            raise Superseded(f"{self.folder.parent}: the run was taken over by another process.")


_fences: list[Fence] = []


def guard(fence: Fence) -> None:
    """Let every write of this process into the fence's folder look at the fence first."""
    _fences.append(fence)


def check_fences(path: Path) -> None:
    """Raises Superseded when `path` lies in a folder that has gone to another process."""
    for fence in _fences:
        if path.is_relative_to(fence.folder.parent):
            fence.check()


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
