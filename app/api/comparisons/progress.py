"""How far a comparison's runs are, by the events in their folders. Only what is new in a file is read."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.api.comparisons.schemas import ComparedRun
from app.compare.models import CurvePoint
from app.compare.record import ComparisonRecord, run_paths
from app.db.run_summary import RunSummary, apply_event
from app.engine.events import Event, RunStatusChanged, read_event
from graphs.run_paths import RunPaths
from trainer.artifacts import whole_lines

KEPT = 500
"""Runs whose events are remembered."""
MOST_BYTES = 8 << 20
"""Read of one file at once."""


@dataclass
class FollowedRun:
    """What the events of one run add up to."""

    path: Path
    offset: int = 0
    summary: RunSummary = field(default_factory=RunSummary)
    status: RunStatusChanged | None = None
    last: float | None = None

    def catch_up(self) -> None:
        """Read the events that are new."""
        with suppress(OSError):
            while self._read():
                pass

    def _read(self) -> bool:
        """Take the whole lines that come next; whether there were any."""
        lines, self.offset = whole_lines(self.path, self.offset, MOST_BYTES)
        for line in lines:
            with suppress(ValueError):
                self._take(read_event(json.loads(line)))
        return bool(lines)

    @property
    def replaced(self) -> bool:
        """Whether the file is shorter than what was read: it is another run's now."""
        try:
            return self.path.stat().st_size < self.offset
        except OSError:
            return self.offset > 0

    def _take(self, event: Event) -> None:
        self.summary = apply_event(self.summary, event)
        self.last = event.time or self.last
        if isinstance(event, RunStatusChanged):
            self.status = event


class Followed:
    """The runs of all comparisons that were looked at lately."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Path, FollowedRun] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, paths: RunPaths) -> FollowedRun:
        """A run with everything that has happened."""
        with self._lock:
            found = self._runs.get(paths.events)
            if found is None or found.replaced:
                found = self._runs[paths.events] = FollowedRun(paths.events)
            self._runs.move_to_end(paths.events)
            while len(self._runs) > KEPT:
                self._runs.popitem(last=False)
            found.catch_up()
            return found


def compared_runs(
    folder: Path, record: ComparisonRecord, followed: Followed
) -> tuple[list[ComparedRun], float | None]:
    """All runs of a comparison, and when one was last heard of."""
    runs, last = [], None
    for method in record.methods:
        for seed in record.seeds:
            paths = run_paths(folder, method, seed)
            seen = followed.run(paths)
            runs.append(compared_run(method, seed, record.rounds.get(method, 0), paths, seen))
            last = max(filter(None, (last, seen.last)), default=None)
    return runs, last


def compared_run(method: str, seed: int, rounds: int, paths: RunPaths, seen: FollowedRun) -> ComparedRun:
    """One run as it is now."""
    status, summary = seen.status, seen.summary
    at_work = status is not None and status.status == "running"
    return ComparedRun(
        method=method,
        seed=seed,
        status=status.status if status else None,
        reason=status.reason if status else "",
        waiting=status is not None and status.waiting_for == "comparison",
        stage=summary.stage if at_work else None,
        round=summary.round,
        rounds=rounds,
        curve=curve_of(paths, summary),
        usd=summary.cost.usd if summary.cost else 0.0,
        calls=summary.cost.calls if summary.cost else 0,
        has_report=paths.html.exists(),
    )


def curve_of(paths: RunPaths, summary: RunSummary) -> list[CurvePoint]:
    """The validation scores of a run by the new rows that were accepted up to then."""
    points, accepted = [], 0
    for score in sorted(summary.scores, key=lambda each: each.round):
        accepted += lines_of(paths.round(score.round).accepted)
        points.append(CurvePoint(round=score.round, accepted=accepted, validation=score.validation))
    return points


def lines_of(path: Path) -> int:
    """How many lines a file has; 0 where there is none."""
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0


@dataclass(frozen=True)
class MethodCurve:
    """The mean curve of a method, for the chart."""

    method: str
    curve: list[CurvePoint]


def method_curves(runs: list[ComparedRun]) -> list[MethodCurve]:
    """Means over the seeds that have begun, up to the last round that all of these have reached."""
    found = []
    for method in dict.fromkeys(run.method for run in runs):
        curves = [run.curve for run in runs if run.method == method and run.curve]
        points = [
            CurvePoint(
                round=number,
                accepted=sum(curve[number].accepted for curve in curves) / len(curves),
                validation=sum(curve[number].validation for curve in curves) / len(curves),
            )
            for number in range(min(map(len, curves), default=0))
        ]
        found.append(MethodCurve(method, points))
    return found
