"""Stops a run that takes more time or disk than the service allows."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from app.db.leases import RunEnd
from app.settings import Settings

LOOK_SECONDS = 15.0
"""How often the run's folder is measured."""
RAISE = "Whoever runs the service can raise {}; then `resume` goes on from here."


async def watch_limits(
    settings: Settings, root: Path, worked: float, stop: Callable[[RunEnd], None], *, runs: int = 1
) -> None:
    """Call `stop` once, when a run is over a limit.

    Args:
        root: the run's folder.
        worked: seconds that the run has worked before.
        runs: of a comparison, the number of its runs; it may take what they may take together.
    """
    began = time.monotonic()
    hours, size = runs * settings.max_hours, runs * settings.max_run_bytes
    while True:
        seconds = worked + time.monotonic() - began
        if seconds >= hours * 3600:
            stop(over("worked for {:.3g} hours", hours, "PADA_MAX_HOURS"))
            return
        if await asyncio.to_thread(size_of, root) > size:
            stop(over("filled {:,} bytes of disk", size, "PADA_MAX_RUN_BYTES"))
            return
        await asyncio.sleep(min(LOOK_SECONDS, hours * 3600 - seconds))


def over(what: str, limit: float, setting: str) -> RunEnd:
    """What becomes of a run that is over a limit."""
    did = what.format(limit)
    return RunEnd("failed", f"It has {did}, which is the limit of this service. {RAISE.format(setting)}")


def size_of(root: Path) -> int:
    """Bytes of all files in a folder; one that vanishes meanwhile counts as none."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total
