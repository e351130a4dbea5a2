"""Folders of comparisons as `pada compare` leaves them, at work or finished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.compare.models import CurvePoint, Difference, Results, Row
from app.compare.record import FILE, PAGE, RESULTS, ComparisonRecord
from graphs.run_paths import RunPaths
from trainer.artifacts import write_json, write_text

METHODS = ["vanilla", "random", "pada"]
CREATED = 1767225600.0


def add_comparison(folder: Path, owner: str = "", **changes: Any) -> Path:
    """One that has begun: no run has an event yet."""
    record = ComparisonRecord(
        created=CREATED,
        owner=owner,
        task="classification",
        student="builtin:smollm2-135m",
        methods=METHODS,
        seeds=[0, 1],
        rounds={"vanilla": 0, "random": 2, "pada": 2},
    )
    write_json(folder / FILE, record.model_copy(update=changes))
    return folder


def say(folder: Path, method: str, seed: int, *events: dict[str, Any]) -> None:
    """Append events to a run, as the run would."""
    path = RunPaths(folder / method / f"seed-{seed}").events
    path.parent.mkdir(parents=True, exist_ok=True)
    done = len(path.read_text().splitlines()) if path.exists() else 0
    with path.open("a", encoding="utf-8") as file:
        for number, event in enumerate(events, done + 1):
            file.write(json.dumps({"id": number, "time": CREATED + number, **event}) + "\n")


def started() -> dict[str, Any]:
    return {"type": "run", "status": "running"}


def waits() -> dict[str, Any]:
    """The rounds are over; the test rows stay closed until all runs are here."""
    return {"type": "run", "status": "paused", "reason": "Its rounds are over.", "waiting_for": "comparison"}


def scored(number: int, validation: float) -> dict[str, Any]:
    return {
        "type": "score", "round": number, "metric": "accuracy", "validation": validation, "ci95": [0.1, 0.9],
        "promoted": True, "reason": "Because.",
    }  # fmt: skip


def accept(folder: Path, method: str, seed: int, number: int, rows: int) -> None:
    """New rows of a round."""
    path = RunPaths(folder / method / f"seed-{seed}").round(number).accepted
    write_text(path, "{}\n" * rows)


def finish(folder: Path) -> Results:
    """The results of all runs."""
    difference = Difference(
        difference=0.1, ci95=(0.04, 0.16), p_value=0.004, verdict="improved", mcnemar=[0.01, 0.02]
    )
    rows = [
        Row(
            task="classification", method=method, seeds=[0, 1], accepted=48.0, trained_on=40.0, test_mean=0.6,
            ci95=(0.5, 0.7), test=[0.58, 0.62], vs_vanilla=difference if method != "vanilla" else None,
            vs_reference=None, gain_per_row=0.002, gain_per_1k_tokens=None, gain_per_training_second=0.001,
            gain_per_usd=None, calls=120, tokens=34000, usd=0.0, failures_fixed=0.4,
            curve=[CurvePoint(round=n, accepted=24.0 * n, validation=0.5 + n / 10) for n in range(3)],
            stopped=["All rounds are done."] * 2,
        )
        for method in METHODS
    ]  # fmt: skip
    results = Results(metric="accuracy", test_rows=80, training="equal steps", reference="pada", rows=rows)
    write_text(folder / PAGE, "<!doctype html><p>compared")
    write_json(folder / RESULTS, results)
    return results
