"""One trainer on each GPU of this machine, or `PADA_TRAINERS_PER_DEVICE`, across all processes. Further trainers wait.

A place on a device is taken by a lock on a file that the trainer's process inherits. The kernel frees the lock when the
trainer ends, however it ends, even if the process that started it is gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.settings import Settings

LOCKS = Path(tempfile.gettempdir()) / f"pada-devices-{os.getuid()}"
"""In the machine's temporary folder, because several services share its devices."""
POLL_SECONDS = 0.5
CPU = "cpu"
WANTED = "wanted"
"""The lock that whoever waits for a device shares, so that others can see it."""


class Place(NamedTuple):
    """Room for one trainer on a device."""

    device: str
    number: int = 0

    @property
    def lock(self) -> str:
        """Name of the lock file."""
        name = self.device.replace("/", "_")
        return f"{name}.{self.number}" if self.number else name


@dataclass(frozen=True)
class Devices:
    """The devices that one trainer may use."""

    names: list[str]
    locks: tuple[int, ...]
    """Open files that hold the devices; the trainer must inherit them."""

    def environment(self) -> dict[str, str]:
        """Environment variables that name the devices to the trainer."""
        return {} if self.names == [CPU] else {"CUDA_VISIBLE_DEVICES": ",".join(self.names)}


def devices(environment: Mapping[str, str]) -> list[str]:
    """CUDA's names of the GPUs that it may see; `cpu` where there is none."""
    count = sum(path.name[len("nvidia") :].isdigit() for path in Path("/dev").glob("nvidia*"))
    visible = environment.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count))))
    return [name.strip() for name in visible.split(",") if count and name.strip()] or [CPU]


def places() -> list[Place]:
    """Places for trainers on this machine. Who takes the first free one takes an idle device before one that is shared."""
    numbers, names = range(Settings().trainers_per_device), devices(os.environ)
    return [Place(name, number) for number in numbers for name in names]


async def hold(among: list[Place], count: int, waits: Callable[[], None]) -> Devices:
    """Take a place on `count` devices, or on all if there are fewer; waits while other trainers have them.

    Start the trainer with the locks, and then close them in this process, which must not keep a device when it is
    stopped.

    Args:
        among: as by `places`.
        waits: called once, before the first wait.
    """
    mark, waiting = _open(WANTED), False
    try:
        while (free := take(among, min(count, len({place.device for place in among})))) is None:
            with suppress(BlockingIOError):  # `wanted` looks at this moment
                fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if not waiting:
                waits()
            waiting = True
            await asyncio.sleep(POLL_SECONDS)
        return free
    finally:
        os.close(mark)


def wanted() -> bool:
    """Whether some process on this machine waits for a device."""
    mark = _open(WANTED)
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(mark)
    return False


def take(among: list[Place], count: int) -> Devices | None:
    """Lock a place on `count` devices; None, and nothing locked, if fewer are free."""
    free: dict[str, int] = {}
    for place in among:
        if place.device in free:
            continue
        lock = _open(place.lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        free[place.device] = lock
        if len(free) == count:
            return Devices(list(free), tuple(free.values()))
    give_up(free.values())
    return None


def _open(name: str) -> int:
    LOCKS.mkdir(mode=0o700, exist_ok=True)
    return os.open(LOCKS / name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)


def give_up(locks: Iterable[int]) -> None:
    """Close the lock files in this process; a device stays locked as long as a trainer has them open."""
    for lock in locks:
        os.close(lock)
