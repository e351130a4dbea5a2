"""One trainer on each GPU of this machine, whoever starts it; who comes beyond that waits.

A device is taken by a lock on a file, which the trainer's own process inherits: the kernel frees it when the trainer
ends, however it ends, and whatever has become of the process that started it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOCKS = Path(tempfile.gettempdir()) / f"pada-devices-{os.getuid()}"
"""Of the machine, not of a home folder: several services share its devices."""
POLL_SECONDS = 0.5
CPU = "cpu"


@dataclass(frozen=True)
class Devices:
    """What a trainer may use, by itself."""

    names: list[str]
    locks: tuple[int, ...]
    """Open files that hold the devices; the trainer must inherit them."""

    def environment(self) -> dict[str, str]:
        """What tells the trainer of them."""
        return {} if self.names == [CPU] else {"CUDA_VISIBLE_DEVICES": ",".join(self.names)}


def devices(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that CUDA is allowed to see, by its names for them; `cpu` where there is none."""
    count = sum(path.name[len("nvidia") :].isdigit() for path in Path("/dev").glob("nvidia*"))
    visible = environment.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count))))
    return [name.strip() for name in visible.split(",") if count and name.strip()] or [CPU]


async def hold(names: list[str], count: int, waits: Callable[[], None]) -> Devices:
    """Take so many of the devices, or all if there are fewer; wait as long as others have them.

    Start the trainer with the locks, and then give them up here: whoever starts it may be stopped, and is not to keep a device.

    Args:
        names: as by `devices`.
        waits: called once if it has to wait.
    """
    LOCKS.mkdir(mode=0o700, exist_ok=True)
    told = False
    while (found := take(names, min(count, len(names)))) is None:
        if not told:
            waits()
        told = True
        await asyncio.sleep(POLL_SECONDS)
    return found


def take(names: list[str], count: int) -> Devices | None:
    """Lock so many of the devices; None, and nothing locked, if fewer are free."""
    free: dict[str, int] = {}
    for name in names:
        lock = os.open(LOCKS / name.replace("/", "_"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        free[name] = lock
        if len(free) == count:
            return Devices(list(free), tuple(free.values()))
    give_up(free.values())
    return None


def give_up(locks: Iterable[int]) -> None:
    """Close the files here; a device stays locked as long as a trainer has them open."""
    for lock in locks:
        os.close(lock)
