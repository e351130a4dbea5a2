"""A small disk of a process's own: a tmpfs in a mount namespace, which needs no root where the kernel allows it."""

from __future__ import annotations

import shlex
import subprocess
from functools import cache
from pathlib import Path

MEGABYTE = 1 << 20
FILLER = "filler"


@cache
def possible() -> bool:
    """Whether this machine allows user namespaces with a mount of their own."""
    command = ["unshare", "-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def on_small_disk(command: list[str], folder: Path, megabytes: int) -> list[str]:
    """The command, with a disk of its own at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = f"mount -t tmpfs -o size={megabytes}m tmpfs {shlex.quote(str(folder))}"
    return ["unshare", "-Urm", "sh", "-c", f"{mount} && exec {shlex.join(command)}"]


def seen_by(process: int, folder: Path) -> Path:
    """The folder as a process sees it that has such a disk."""
    return Path(f"/proc/{process}/root{folder}")


def fill(folder: Path) -> None:
    """Take all that is free."""
    with (folder / FILLER).open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(MEGABYTE // 16))
        except OSError:
            pass


def free(folder: Path) -> None:
    """Give it back."""
    (folder / FILLER).unlink(missing_ok=True)
