"""A run that is killed at any moment and started again ends as if nothing had happened, and pays for nothing twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.command import pada, start
from tests.conftest import Run
from tests.duplicate_calls import needless, repeats
from tests.processes import children_of, processes_of, still_alive
from tests.scripted_teacher_server import Asked, ScriptedTeacherServer

pytestmark = [pytest.mark.slow]

KILLS = 5
SEED = 3
ORPHAN_SECONDS = 10.0


@dataclass
class Kill:
    """One kill."""

    time: float
    stage: str
    orphans: list[int] = field(default_factory=list)
    """Descendants that still lived after `ORPHAN_SECONDS`."""
    trainer: bool = False
    """Whether a trainer was at work."""


@dataclass
class Tortured:
    """A run that was killed again and again, and then left alone."""

    folder: Path
    done: subprocess.CompletedProcess[str]
    kills: list[Kill]
    requests: list[Asked]


def last_stage(folder: Path) -> str:
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line for line in reversed(lines) if '"type": "stage"' in line), "")


def wait_for(folder: Path, moment: str, rng: random.Random, process: subprocess.Popen[str]) -> bool:
    """Wait until a stage has begun and a random while longer; false when the run ended before."""
    deadline = time.monotonic() + 100
    while moment not in last_stage(folder):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.3 if moment != "fine_tune" else 6))
    return process.poll() is None


MOMENTS = ("fine_tune", "analyze_errors", "augment", "augment", "fine_tune")
"""In which stage each kill falls: random within it."""


@pytest.fixture(scope="module")
def tortured(
    tmp_path_factory: pytest.TempPathFactory, whole_run: Run, scripted_teacher: ScriptedTeacherServer
) -> Tortured:
    """The whole run once more, killed five times: the program, or its trainer first."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    rng = random.Random(SEED)
    kills = []
    scripted_teacher.latency = 0.15
    for moment in MOMENTS:
        process = start("run", whole_run.config, "--output", folder)
        if not wait_for(folder, f'"{moment}"', rng, process):
            break
        below = children_of(process.pid)
        kill = Kill(time.time(), last_stage(folder), trainer=bool(processes_of(folder / "rounds")))
        process.kill()
        process.wait()
        kill.orphans = still_alive(below, ORPHAN_SECONDS)
        for child in kill.orphans:
            os.kill(child, signal.SIGKILL)
        kills.append(kill)
    scripted_teacher.latency = 0.0
    done = pada("run", whole_run.config, "--output", folder)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = Run(folder, whole_run.config, done).report
    return Tortured(folder, done, kills, scripted_teacher.of_run(report["run_id"]))


def test_it_was_killed_at_work(tortured: Tortured) -> None:
    assert len(tortured.kills) == KILLS
    assert any(kill.trainer for kill in tortured.kills), "no kill fell on a trainer"


def test_it_ends_like_an_undisturbed_run(tortured: Tortured, whole_run: Run) -> None:
    killed = Run(tortured.folder, whole_run.config, tortured.done)
    for number in (1, 2):
        for name in ("accepted", "rows", "patterns", "batches"):
            path = f"rounds/{number}/{name}.jsonl"
            assert (killed.folder / path).read_bytes() == (whole_run.folder / path).read_bytes(), path
    one, other = killed.report, whole_run.report
    assert one["status"] == other["status"] == "finished"
    for key in ("accepted", "baseline", "best", "test", "stopped"):
        assert one[key] == other[key], key
    assert [item["validation"] for item in one["rounds"]] == [item["validation"] for item in other["rounds"]]


def test_the_student_is_bit_for_bit_the_same(tortured: Tortured, whole_run: Run) -> None:
    for number in (0, 1, 2):
        path = f"rounds/{number}/student/adapter/adapter_model.safetensors"
        assert (tortured.folder / path).read_bytes() == (whole_run.folder / path).read_bytes(), path


def test_the_same_questions_were_asked(
    tortured: Tortured, whole_run: Run, scripted_teacher: ScriptedTeacherServer
) -> None:
    undisturbed = scripted_teacher.of_run(whole_run.report["run_id"])
    assert {request.hash for request in tortured.requests} == {request.hash for request in undisturbed}


def test_no_recorded_answer_is_asked_for_twice(tortured: Tortured) -> None:
    """A request may be asked again only if a kill came before its answer could be written down."""
    repeated = repeats(tortured.requests)
    assert needless(repeated, [kill.time for kill in tortured.kills]) == []
    with sqlite3.connect(tortured.folder / "ledger.sqlite") as ledger:
        answers, attempts, lost = ledger.execute(
            "SELECT (SELECT count(*) FROM answers), count(*), sum(outcome != 'answered') FROM attempts"
        ).fetchone()
    # every request was written down before it was sent, and what is in the ledger was asked once
    assert attempts >= len(tortured.requests)
    assert answers == len({request.hash for request in tortured.requests})
    assert len(repeated) <= lost


def test_the_cost_counts_what_was_answered(tortured: Tortured, whole_run: Run) -> None:
    cost = Run(tortured.folder, whole_run.config, tortured.done).report["cost"]
    assert cost["calls"] == whole_run.report["cost"]["calls"]


def test_nothing_that_it_started_outlives_it(tortured: Tortured) -> None:
    for kill in tortured.kills:
        assert kill.orphans == [], kill
    assert processes_of(tortured.folder) == []
