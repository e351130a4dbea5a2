"""What happens in a run, in order: one JSON line an event, kept in the run's folder and shown as it comes."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, Self

from trainer.artifacts import read_jsonl

Event = dict[str, Any]
Listener = Callable[[Event], None]


class Events(Protocol):
    """Takes the events of a run, in order."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None:
        """Returns when all events are kept."""
        ...

    def emit(self, type_: str, **fields: Any) -> None:
        """One event; returns at once."""
        ...

    def stage_seconds(self) -> dict[str, float]:
        """Wall time by stage, over all starts of the run."""
        ...


class EventLog:
    """Appends events to `events.jsonl` and passes them to a listener.

    Every event has `id` (1, 2, ... without a gap, also over restarts), `time` (seconds since the epoch) and `type`:

    `run` status; `stage` name, state (`started`, `progress`, `done`), done, total, seconds; `trainer` the trainer's progress;
    `power` the smallest difference that the validation rows can show; `score` round, validation, ci95, promoted, reason; `spent` calls, usd, tokens, retries;
    `review` what waits for a person: about (`patterns`, `rows`), round, and patterns (their ids) or accepted and rejected (rows).
    """

    def __init__(self, path: Path, listen: Listener):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._last = path, mend(path)
        self._file = path.open("a", encoding="utf-8")
        self._listen = listen

    def emit(self, type_: str, **fields: Any) -> None:
        """Write and pass on one event."""
        self._last += 1
        event = {"id": self._last, "time": round(time.time(), 3), "type": type_, **fields}
        self._file.write(json.dumps(event, ensure_ascii=False) + "\n")
        self._file.flush()
        self._listen(event)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._file.close()

    def stage_seconds(self) -> dict[str, float]:
        """Wall time by stage, over all starts of the run."""
        return stage_seconds(read_jsonl(self._path))


def stage_seconds(events: Iterable[Event]) -> dict[str, float]:
    """Wall time by stage."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for event in events:
        if event["type"] == "stage" and event["state"] == "done":
            seconds[event["name"]] += event["seconds"]
    return {name: round(value, 3) for name, value in seconds.items()}


def mend(path: Path) -> int:
    """Cut off a last line that a kill left half written; the id of the last whole event, 0 if there is none."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    lines = whole.splitlines()
    return int(json.loads(lines[-1])["id"]) if lines else 0
