"""The soak at toy size, and what it counts as an answer that was paid for twice."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.small_disk import possible
from benchmarks.soak_checks import Evidence, ledgers, repeated

ROOT = Path(__file__).resolve().parents[2]
TOY = {
    "minutes": 0.4,
    "clients": 2,
    "kill-every": 9,
    "full-every": 12,
    "full-seconds": 3,
    "rows": 10,
    "rounds": 1,
}


@pytest.mark.slow
@pytest.mark.skipif(not possible(), reason="this machine allows no namespaces with mounts of their own")
def test_a_toy_run_loses_nothing(tmp_path: Path) -> None:
    result = tmp_path / "soak.json"
    options = [text for name, value in TOY.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), *options, "--output", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=900)
    assert result.exists(), done.stderr
    seen = json.loads(result.read_text())
    assert seen["checks"] == dict.fromkeys(seen["checks"], True), seen
    assert seen["runs"] > 0
    assert seen["full_disks"] > 0
    assert sum(seen["kills"].values()) > 0


def call(began: float, ended: float, *, usable: bool = True, run: str = "run") -> dict[str, Any]:
    return {"run": run, "asked": "the same", "usable": usable, "began": began, "ended": ended}


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (call(10, 11), "neither"),
        (call(18, 19), "a kill came before it was recorded"),
        (call(29, 30), "the disk was full"),
    ],
)
def test_why_an_answer_was_asked_for_again(first: dict[str, Any], why: str) -> None:
    evidence = Evidence(kills=[(20.0, "worker")], full_times=[(31.0, 40.0)])
    assert repeated(evidence, [call(60, 61), first]) == {why: 1}


def test_an_answer_of_no_use_or_of_another_run_is_no_reason() -> None:
    calls = [call(1, 2, usable=False), call(3, 4), call(5, 6, run="another")]
    assert repeated(Evidence(), calls) == {}


def test_a_ledger_tells_which_answers_were_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with closing(sqlite3.connect(tmp_path / "run" / "ledger.sqlite")) as ledger:
        ledger.executescript(
            "CREATE TABLE answers (key); INSERT INTO answers VALUES ('a'), ('b');"
            "CREATE TABLE attempts (key, outcome, began, ended);"
            "INSERT INTO attempts VALUES ('a', 'down', 1, 2), ('a', 'answered', 3, 4), ('a', 'answered', 5, 6),"
            " ('b', 'answered', 1, 9), ('b', 'open', 2, NULL);"
        )
    assert ledgers(tmp_path) == (2, 1)
