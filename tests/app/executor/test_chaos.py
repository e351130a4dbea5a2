"""A service that is killed again and again at random moments: `make chaos`, with `PADA_CHAOS_KILLS` kills (30).

Runs of the demo's size go through one service, one after another, until all kills have happened; each must end like
a run that nobody disturbed. `-rP` prints what was seen.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.duplicate_calls import needless, repeats
from tests.processes import alive, children_of, command_of, processes_of, status_of, still_alive
from tests.scripted_teacher_server import Asked, ScriptedTeacherServer
from tests.service import OVER, Service, allowing, serving
from tests.tiny_task import config_for, write_data

pytestmark = [pytest.mark.slow]

KILLS = int(os.environ.get("PADA_CHAOS_KILLS", "30"))
SEED = 11
ORPHAN_SECONDS = 10.0
STUCK_SECONDS = 45.0
LONGEST_PAUSE = 6.0
"""Seconds between two kills, at most, where they go by the clock; they may then fall on a start."""
MOST_EVENTS = 50
"""Events between two kills, at most, where they go by what the run does: it gets on however slow the machine is."""


@dataclass
class Kill:
    """One kill."""

    time: float
    run: str
    victims: list[str]
    orphans: list[str] = field(default_factory=list)
    """Processes below the service that outlived it."""


@dataclass
class Chaos:
    """What was done and seen."""

    service: Service
    undisturbed: str
    runs: list[str]
    kills: list[Kill]
    asked: dict[str, list[Asked]]

    def folder(self, run: str) -> Path:
        return self.service.home / "runs" / run

    def changed(self, run: str) -> list[tuple[str, str, Any]]:
        """Requests that a run made and the undisturbed one did not, and those that it did not make."""
        here, there = ({asked.hash: asked for asked in self.asked[name]} for name in (run, self.undisturbed))
        return [
            *(("more", here[hash_].schema, here[hash_].data) for hash_ in here.keys() - there.keys()),
            *(("less", there[hash_].schema, there[hash_].data) for hash_ in there.keys() - here.keys()),
        ]


def trainers_below(process: int) -> list[int]:
    """Trainers that the service has at work."""
    return [
        child
        for child in children_of(process)
        if any(module in command_of(child) for module in ("trainer.finetune", "trainer.predict"))
    ]


def kill(service: Service, run: str, rng: random.Random) -> Kill:
    """Kill the service, the trainer or both, and start the service again if it was hit."""
    assert service.process
    below, trainers = children_of(service.process.pid), trainers_below(service.process.pid)
    victims = rng.choice([["service"], ["trainer"], ["trainer", "service"]]) if trainers else ["service"]
    record = Kill(time.time(), run, victims)
    if "trainer" in victims:
        for trainer in trainers:
            if alive(trainer):
                os.kill(trainer, signal.SIGKILL)
    if "service" in victims:
        service.kill()
        record.orphans = [
            f"{p} {status_of(p)[:2]} {command_of(p)}" for p in still_alive(below, ORPHAN_SECONDS)
        ]
        time.sleep(rng.uniform(0, 1))
        service.start()
    return record


def disturb(service: Service, run: str, rng: random.Random, most: int) -> list[Kill]:
    """Kill at random moments until the run is over, or so many times."""
    kills: list[Kill] = []
    while len(kills) < most and wait(service, run, rng):
        kills.append(kill(service, run, rng))
    return kills


def wait(service: Service, run: str, rng: random.Random) -> bool:
    """Wait for the moment of the next kill; false when the run is over."""
    by_clock = rng.random() < 1 / 3
    wake = time.monotonic() + rng.uniform(0.5, LONGEST_PAUSE)
    last = service.get(f"/{run}")["last_event"] + rng.randint(1, MOST_EVENTS)
    while True:
        document = service.get(f"/{run}")
        if document["status"] in OVER:
            return False
        if (time.monotonic() > wake) if by_clock else (document["last_event"] >= last):
            return True
        time.sleep(0.05)


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory, student: Path) -> Iterator[Chaos]:
    base = tmp_path_factory.mktemp("chaos")
    data = write_data(base / "data", 96)
    rng = random.Random(SEED)
    with ScriptedTeacherServer() as scripted_teacher:
        scripted_teacher.latency = 0.1
        loop = {"rounds": 2, "synthetic_per_round": 60, "samples_per_batch": 10, "pattern_share": 0.8}
        config = config_for(data, student, scripted_teacher.url, loop=loop)
        config["data"] = {"folder": str(data)}
        settings = allowing(scripted_teacher.url, data, student)
        with serving(base / "home", **settings) as service:
            undisturbed = service.start_run(config)
            service.wait(undisturbed, seconds=900)
            runs: list[str] = []
            kills: list[Kill] = []
            while len(kills) < KILLS:
                runs.append(service.start_run(config))
                kills += disturb(service, runs[-1], rng, KILLS - len(kills))
                service.wait(runs[-1], seconds=900)
            asked = {run: scripted_teacher.of_run(run) for run in [undisturbed, *runs]}
            yield Chaos(service, undisturbed, runs, kills, asked)


def test_every_run_ends_like_the_undisturbed_one(chaos: Chaos) -> None:
    expected = chaos.service.get(f"/{chaos.undisturbed}/report")
    assert expected["status"] == "finished"
    assert expected["accepted"] > 0
    for run in chaos.runs:
        document = chaos.service.get(f"/{run}")
        assert document["status"] == "finished", document
        report = chaos.service.get(f"/{run}/report")
        for key in ("accepted", "baseline", "best", "test", "stopped"):
            assert report[key] == expected[key], key
        for number in (1, 2):
            path = f"rounds/{number}/accepted.jsonl"
            rows = (chaos.folder(run) / path).read_bytes()
            assert rows == (chaos.folder(chaos.undisturbed) / path).read_bytes(), path


def test_no_run_is_stuck(chaos: Chaos) -> None:
    """After each kill something happens in its run within 45 seconds: the lease of 30, a start, and the next step."""
    pauses = []
    for run in chaos.runs:
        times = [event["time"] for event in chaos.service.events(run)]
        for hit in chaos.kills:
            if hit.run == run:
                pauses.append(min(time for time in times if time > hit.time) - hit.time)
    victims = [" and ".join(hit.victims) for hit in chaos.kills]
    counts = {name: victims.count(name) for name in sorted(set(victims))}
    print(f"{len(chaos.kills)} kills ({counts}) in {len(chaos.runs)} runs")
    print(f"until the next event: median {statistics.median(pauses):.1f} s, longest {max(pauses):.1f} s")
    assert max(pauses) < STUCK_SECONDS


def test_no_recorded_answer_is_paid_for_twice(chaos: Chaos) -> None:
    times = [hit.time for hit in chaos.kills]
    again = 0
    for run in chaos.runs:
        assert chaos.changed(run) == []
        repeated = repeats(chaos.asked[run])
        again += len(repeated)
        assert needless(repeated, times) == []
    total = sum(len(chaos.asked[run]) for run in chaos.runs)
    print(f"{total} requests, {again} of them again because a kill came before their answer was recorded")


def test_nothing_outlives_the_service(chaos: Chaos) -> None:
    assert [hit.orphans for hit in chaos.kills if hit.orphans] == []
    assert still_alive([int(line.split()[0]) for line in processes_of(chaos.service.home)], 10) == []


def test_at_most_one_checkpoint_interval_is_trained_twice(chaos: Chaos) -> None:
    every, lost = 20, []
    for run in chaos.runs:
        for path in chaos.folder(run).glob("rounds/*/student/progress.jsonl"):
            steps = [line["step"] for line in whole_lines(path) if line["stage"] == "train"]
            lost += [first + 1 - second for first, second in itertools.pairwise(steps) if second <= first]
    print(f"trainings gone on with: {len(lost)}; steps repeated: {lost}")
    assert lost, "no kill fell on a training"
    assert max(lost) <= every


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSONL file but those that a kill has cut short."""
    whole = []
    for line in path.read_text().splitlines():
        with suppress(ValueError):
            whole.append(json.loads(line))
    return whole


def test_numbers_of_events_have_no_gap(chaos: Chaos) -> None:
    for run in chaos.runs:
        events: list[dict[str, Any]] = chaos.service.events(run)
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
