"""What `soak.py` notes while it works, and what must hold at its end."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.soak_clients import Seen

RECORDED_SECONDS = 2.0
"""From the last byte of an answer to its line in the ledger, at most, on a busy machine."""
WARM_SECONDS = 60.0
"""Age at which a service has its usual size."""
MOST_GROWTH = 1.2
MOST_FILES = 40


@dataclass
class Sample:
    """A service at one moment."""

    process: int
    age: float
    mb: float
    files: int


@dataclass
class Evidence:
    """What was done and seen."""

    posted: dict[int, str] = field(default_factory=dict)
    """Number -> id of the run that was accepted for it."""
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[int]] = field(default_factory=dict)
    kills: list[tuple[float, str]] = field(default_factory=list)
    """When (seconds since the epoch), and what."""
    full_times: list[tuple[float, float]] = field(default_factory=list)
    stops: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    _service: int = 0
    _born: float = 0.0

    def started(self, process: int) -> None:
        """The service was started."""
        self._service, self._born = process, time.monotonic()

    def stopped(self, run: dict[str, Any]) -> None:
        """A run waits for somebody."""
        self.stops[f"{run['status']} {run['waiting_for'] or ''}".strip()] += 1
        if run["status"] == "failed":
            self.stops[f"failed: {run['reason'][:160]}"] += 1

    def killed(self, process: int, what: str) -> None:
        """Something is killed."""
        self.kills.append((time.time(), what))

    @contextmanager
    def full(self) -> Iterator[None]:
        """The disk is full meanwhile."""
        began = time.time()
        yield
        self.full_times.append((began, time.time()))

    def workers(self) -> list[int]:
        """Workers of the service that are alive."""
        found = []
        with suppress(OSError):
            for task in Path(f"/proc/{self._service}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def measure(self, process: int) -> None:
        """Note the service's size."""
        with suppress(OSError, ValueError):
            text = Path(f"/proc/{process}/status").read_text()
            kilobytes = int(text.split("VmRSS:")[1].split()[0])
            files = len(os.listdir(f"/proc/{process}/fd"))
            age = time.monotonic() - self._born
            self.samples.append(Sample(process, age, round(kilobytes / 1024, 1), files))

    def last_life(self) -> list[Sample]:
        """Samples of the service that lived last, once it was warm."""
        last = self.samples[-1].process if self.samples else 0
        return [sample for sample in self.samples if sample.process == last and sample.age >= WARM_SECONDS]


def check(evidence: Evidence, seen: Seen, calls: Path, home: Path) -> dict[str, Any]:
    """The results, with `checks`: what must hold -> whether it does."""
    made = [json.loads(line) for line in calls.read_text().splitlines()]
    again = repeated(evidence, made)
    recorded, asked_again = ledgers(home / "runs")
    runs = list(evidence.ended.values())
    life = evidence.last_life()
    size = {"first": {}, "last": {}, "growth": None} if len(life) < 4 else growth(life)
    checks = {
        "every run that was posted is there once": sorted(evidence.posted.values()) == sorted(evidence.ended),
        "every run has finished": all(run["status"] == "finished" for run in runs) and bool(runs),
        "every run has its report": all((home / "runs" / run["id"] / "report.json").exists() for run in runs),
        "events are numbered without a gap": all(
            numbers == list(range(1, len(numbers) + 1)) for numbers in evidence.events.values()
        ),
        "readers saw no gap": seen.gaps == 0,
        "no answer that was recorded was asked for again": asked_again == 0 and recorded > 0,
        "every file is whole": not broken(home / "runs"),
        "memory is flat": size["growth"] is None or size["growth"] <= MOST_GROWTH,
        "open files are flat": size["growth"] is None
        or size["last"]["files"] <= size["first"]["files"] + MOST_FILES,
        "no request met an unexpected error": not seen.statuses["500"],
    }
    ordered = sorted(seen.seconds) or [0.0]
    return {
        "runs": len(runs),
        "kills": Counter(what for _, what in evidence.kills),
        "full_disks": len(evidence.full_times),
        "stops": evidence.stops,
        "calls": len(made),
        "calls_by_what_was_done": Counter(call["kind"] for call in made),
        "recorded_answers": recorded,
        "usable_answers_asked_for_again": again,
        "clients": {
            "requests": len(seen.seconds),
            "statuses": seen.statuses,
            "events": seen.events,
            "p50_ms": round(statistics.median(ordered) * 1000),
            "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1000),
        },
        "last_life": {"seconds": round(life[-1].age) if life else 0, **size},
        "checks": checks,
    }


def growth(life: list[Sample]) -> dict[str, Any]:
    """The first and the last quarter of a life."""
    quarter = max(1, len(life) // 4)
    first, last = (
        {"mb": statistics.median(s.mb for s in part), "files": statistics.median(s.files for s in part)}
        for part in (life[:quarter], life[-quarter:])
    )
    return {"first": first, "last": last, "growth": round(last["mb"] / first["mb"], 3)}


def ledgers(runs: Path) -> tuple[int, int]:
    """Answers that are recorded in the runs' ledgers, and how many were asked for again after that."""
    recorded = again = 0
    for folder in runs.iterdir():
        # SQLite follows links by itself, out of the other namespace
        with tempfile.TemporaryDirectory() as copy:
            for path in folder.glob("ledger.sqlite*"):
                shutil.copy(path, copy)
            if not (Path(copy) / "ledger.sqlite").exists():
                continue
            connection = sqlite3.connect(Path(copy) / "ledger.sqlite")
            recorded += connection.execute("SELECT count(*) FROM answers").fetchone()[0]
            again += connection.execute(
                "SELECT count(*) FROM attempts AS later JOIN attempts AS first ON later.key = first.key"
                " WHERE first.outcome = 'answered' AND later.began > first.ended"
            ).fetchone()[0]
            connection.close()
    return recorded, again


def repeated(evidence: Evidence, made: list[dict[str, Any]]) -> dict[str, int]:
    """Why usable answers were asked for again, by the teacher's log -> how many."""
    by_call = defaultdict(list)
    for call in made:
        by_call[call["run"], call["asked"]].append(call)
    reasons: Counter[str] = Counter()
    for calls in by_call.values():
        calls.sort(key=lambda call: float(call["began"]))
        for first, _ in itertools.pairwise(calls):
            if first["usable"]:
                reasons[reason(evidence, first)] += 1
    return dict(reasons)


def reason(evidence: Evidence, call: dict[str, Any]) -> str:
    """Why an answer may not have been recorded."""
    began, ended = call["began"], call["ended"] + RECORDED_SECONDS
    if any(began <= at <= ended for at, _ in evidence.kills):
        return "a kill came before it was recorded"
    if any(began <= until and since <= ended for since, until in evidence.full_times):
        return "the disk was full"
    return "neither"


def broken(runs: Path) -> list[str]:
    """Files of the runs that are half written."""
    found = []
    for path in runs.rglob("*.json"):
        with path.open(encoding="utf-8") as file:
            try:
                json.load(file)
            except ValueError:
                found.append(str(path))
    return found
