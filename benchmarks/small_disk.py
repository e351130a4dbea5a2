"""A small disk of one's own: a tmpfs in a mount namespace, which needs no root where the kernel allows such namespaces."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Self

CHUNK = bytes(1 << 16)
FILLER = "filler"


@cache
def possible() -> bool:
    """Whether this machine allows namespaces with a mount of their own."""
    command = ["unshare", "-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class SmallDisk:
    """`with SmallDisk(folder, megabytes) as disk`: only processes that are started with `disk.command` see it there."""

    def __init__(self, folder: Path, megabytes: int):
        self.folder, self._megabytes = folder.resolve(), megabytes

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        # this process holds the disk, so that it outlives those that use it
        mount = 'mount -t tmpfs -o "size=$1m" tmpfs "$2" && echo ready && exec sleep infinity'
        command = ["unshare", "-Urm", "sh", "-c", mount, "sh", str(self._megabytes), str(self.folder)]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.wait()

    def command(self, command: list[str]) -> list[str]:
        """The command, where it sees the disk. It keeps the id of the process that is started."""
        return [
            "nsenter",
            "-t",
            str(self._holder.pid),
            "-U",
            "-m",
            "--preserve-credentials",
            "--wd=/",
            *command,
        ]

    @property
    def path(self) -> Path:
        """The disk as other processes reach it."""
        return Path(f"/proc/{self._holder.pid}/root{self.folder}")

    def fill(self) -> None:
        """Take all that is free."""
        with (self.path / FILLER).open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(CHUNK)

    def free(self) -> None:
        """Give it back."""
        (self.path / FILLER).unlink(missing_ok=True)
