"""A run's events in a file of its folder, one JSON line each."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Self

from app.engine.events import Event, Listener, read_event, stage_seconds
from trainer.artifacts import read_jsonl


class EventLog:
    """Appends events to `events.jsonl`, and passes them to a listener. See `app.engine.events.EventSink`."""

    def __init__(self, path: Path, listen: Listener):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._last = path, drop_partial_line(path)
        self._file = path.open("ab", buffering=0)
        self._listen = listen

    def emit(self, event: Event) -> None:
        """Number the event, write it and pass it on.

        Raises:
            OSError: it cannot be written, such as on a full disk; the file ends with the event before.
        """
        stored = event.model_copy(update={"id": self._last + 1, "time": round(time.time(), 3)})
        self._append(json.dumps(stored.to_json(), ensure_ascii=False).encode() + b"\n")
        self._last += 1
        self._listen(stored)

    def _append(self, line: bytes) -> None:
        size = self._path.stat().st_size
        try:
            if self._file.write(line) < len(line):  # what still fitted on the disk
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        except OSError:
            self._file.truncate(size)
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._file.close()

    def stage_seconds(self) -> dict[str, float]:
        """Wall time by stage, over all starts of the run."""
        return stage_seconds(map(read_event, read_jsonl(self._path)))


def drop_partial_line(path: Path) -> int:
    """Cut off a last line that a killed process left half written.

    Returns:
        The id of the last whole event, 0 if there is none.
    """
    if not path.exists():
        return 0
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    lines = whole.splitlines()
    return int(json.loads(lines[-1])["id"]) if lines else 0
