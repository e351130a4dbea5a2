"""Keeps an earlier owner of a run from writing into its folder after another process has taken the run over."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel


class Superseded(Exception):  # noqa: N818 - not an error: the work belongs to another process now
    """Another process owns the run, so this process may not write any more."""


class Fence(BaseModel):
    """A fencing token. Only the owner with the highest token in `folder` may write into the run's folder.

    A lease alone cannot keep out a process that slept past the end of its lease, so every write checks the token
    (Kleppmann 2016, "How to do distributed locking"). Tokens are only added, so a run never goes back to an earlier
    owner.
    """

    folder: Path
    """`RUN/owners`, with an empty file for each token. The fence is for `RUN`."""
    token: int

    def take(self) -> None:
        """Become the owner.

        Raises:
            Superseded: there is a later owner already.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / str(self.token)).touch()
        sync_folder(self.folder)
        self.check()

    def check(self) -> None:
        """Raises Superseded if another process has taken the run over."""
        if any(int(name) > self.token for name in os.listdir(self.folder)):
            raise Superseded(f"{self.folder.parent}: the run was taken over by another process.")


_fences: list[Fence] = []


def guard(fence: Fence) -> None:
    """Make every write of this process into the fence's run check the fence first."""
    _fences.append(fence)


def check_fences(path: Path) -> None:
    """Raises Superseded if `path` is in the folder of a run that another process has taken over."""
    for fence in _fences:
        if path.is_relative_to(fence.folder.parent):
            fence.check()


def sync_folder(folder: Path) -> None:
    """Sync a folder to disk, so that a rename in it is durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
