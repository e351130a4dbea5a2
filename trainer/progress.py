"""`progress.jsonl`: one line for each step that an observer may show. This module does not import torch."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from trainer.fencing import check_fences


class Progress(BaseModel):
    """One line of `progress.jsonl`."""

    time: float
    """Seconds since the epoch."""
    stage: Literal["load", "train", "predict", "done", "warning", "error"]
    step: int = 0
    """Optimizer steps or rows done."""
    steps: int = 0
    """Of how many."""
    loss: float | None = None
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    memory_mb: float | None = None
    eta_seconds: float | None = None
    message: str | None = None


class ProgressLog:
    """Appends lines to `progress.jsonl`. Call it with a `Progress` to write one.

    Args:
        path: the file. A resumed run appends to it.
        enabled: false on all processes except the main one, so that only the main one writes.
    """

    def __init__(self, path: Path, *, enabled: bool = True):
        self.path = path
        self.enabled = enabled

    def __call__(self, line: Progress) -> None:
        """Append one line in a single write, so that a reader that follows the file never sees half a line.

        Raises:
            Superseded: another process has taken the run over, so this one must stop.
        """
        if not self.enabled:
            return
        check_fences(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line.model_dump_json(exclude_none=True) + "\n")

    def write(self, **fields: Any) -> None:
        """Append one `Progress` line with the current time."""
        self(Progress(time=time.time(), **fields))


def read_progress(path: Path) -> Iterator[Progress]:
    """The lines of all starts, in order. A line that a kill has cut short is left out; no file is no line."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError):
                yield Progress(**json.loads(line))


def peak_memory_mb() -> float:
    """The largest resident size of this process so far, in MB.

    From the kernel's own count where there is one: `getrusage` begins with the size of the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
