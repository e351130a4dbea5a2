"""`progress.jsonl`: one line for each thing that a watcher may want to show. No torch here."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

from trainer.artifacts import check_fences
from trainer.specs import Progress


class ProgressLog:
    """Appends lines to `progress.jsonl`; calling it writes one.

    Args:
        path: the file; a resumed run goes on in it.
        enabled: false on all processes but the main one, which then write nothing.
    """

    def __init__(self, path: Path, *, enabled: bool = True):
        self.path = path
        self.enabled = enabled

    def __call__(self, line: Progress) -> None:
        """Append one line, whole: a reader that follows the file never sees half of one.

        Raises:
            Superseded: the run has gone to another process, so that there is nothing more to do.
        """
        if not self.enabled:
            return
        check_fences(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line.model_dump_json(exclude_none=True) + "\n")

    def write(self, **fields: Any) -> None:
        """Append one `Progress` line, with the time filled in."""
        self(Progress(time=time.time(), **fields))


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
