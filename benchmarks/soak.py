"""A long bad time: one service with four runs at once, and everything around it fails.

    python benchmarks/soak.py                              two hours, into benchmarks/results/soak.json
    python benchmarks/soak.py --minutes 30 --clients 20    less of it

The teacher (`soak_teacher.py`) fails in every way that endpoints do. Every two minutes the service, or one of its workers,
is killed. Every few minutes the service's disk (a small tmpfs with its database, its runs and its ledgers) is full for a
while. Clients poll, list, follow events, and read pages all the time. Runs that pause are resumed, as a user would.

The service is real, apart from its students and its embedder (`soak_service.py`). In the last third of the time only
workers are killed, so that the memory and the open files of one long life of the service can be looked at.

At the end nothing may be lost: every run that was posted is there once and has ended, its events are numbered without a
gap, its files are whole, and no answer that a ledger has was asked for again. The teacher's log also shows the answers
that were sent and never recorded, and why.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.loop_student import make_data
from benchmarks.machine import free_port, machine
from benchmarks.small_disk import SmallDisk, possible
from benchmarks.soak_checks import Evidence, check
from benchmarks.soak_clients import Seen, client
from trainer.artifacts import write_json

HERE = Path(__file__).resolve().parent
DISK_MEGABYTES = 400
RUNNING, WAITING = 4, 3
"""Runs at once, and runs that wait for their turn."""
END_SECONDS = 600.0
"""How long the runs may take to end once nothing fails any more."""
AWAY = (httpx.TransportError, httpx.HTTPStatusError)


@dataclass
class Options:
    """How long, and how bad."""

    minutes: float
    clients: int
    kill_every: float
    full_every: float
    full_seconds: float
    share: float
    rows: int
    rounds: int


@dataclass
class Soak:
    """The service, and what is done to it."""

    options: Options
    disk: SmallDisk
    data: Path
    teacher: str
    port: int
    log: Path
    evidence: Evidence = field(default_factory=Evidence)
    seen: Seen = field(default_factory=Seen)
    process: subprocess.Popen[bytes] | None = None
    rng: random.Random = field(default_factory=lambda: random.Random(5))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the service."""
        environment = os.environ | {
            "PYTHONPATH": str(HERE.parent),
            "PADA_HOME": str(self.disk.folder),
            "PADA_PORT": str(self.port),
            "PADA_MAX_RUNNING": str(RUNNING),
            "PADA_REQUESTS_PER_MINUTE": "1000000",
            "PADA_ALLOWED_PATHS": json.dumps([str(self.data)]),
            "PADA_TEACHER_KEYS": json.dumps({self.teacher: ["SOAK_KEY"]}),
            "SOAK_KEY": "none",
        }
        command = self.disk.command([sys.executable, str(HERE / "soak_service.py")])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.evidence.started(self.process.pid)

    def config(self, seed: int) -> dict[str, Any]:
        """The config of a run."""
        return {
            "task": "classification",
            "seed": seed,
            "data": {"folder": str(self.data)},
            "evaluate_untrained": False,
            "student": {"tune": "off"},
            "teacher": {
                "base_url": self.teacher,
                "model": "flaky",
                "api_key_env": "SOAK_KEY",
                "max_concurrency": 4,
                "timeout_seconds": 10,
                "backoff_seconds": 0.1,
            },
            "loop": {
                "rounds": self.options.rounds,
                "synthetic_per_round": self.options.rows,
                "samples_per_batch": 5,
                "oversample": 1,
                "patience": self.options.rounds,
                "max_analyses": 30,
            },
        }

    async def post_runs(self, until: float) -> None:
        """Keep the service busy; each run is posted again under its key until it is accepted."""
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as http:
            number = 0
            while time.monotonic() < until:
                with suppress(*AWAY):
                    if await self.unfinished(http) < RUNNING + WAITING:
                        body = {"config": self.config(number)}
                        answer = await http.post(
                            "/v1/runs", json=body, headers={"Idempotency-Key": f"run-{number}"}
                        )
                        answer.raise_for_status()
                        self.evidence.posted[number] = answer.json()["id"]
                        number += 1
                        continue
                await asyncio.sleep(1)

    async def is_up(self, http: httpx.AsyncClient) -> None:
        """Wait for the first answer."""
        while True:
            with suppress(httpx.TransportError):
                await http.get("/healthz")
                return
            await asyncio.sleep(0.2)

    async def all_ended(self, http: httpx.AsyncClient) -> None:
        """Wait for the last run."""
        while True:
            with suppress(*AWAY):
                if await self.unfinished(http) == 0:
                    return
            await asyncio.sleep(1)

    async def unfinished(self, http: httpx.AsyncClient) -> int:
        """Runs that have not ended; those that wait for somebody are resumed."""
        documents = await self.documents(http)
        for run in documents:
            if run["status"] in ("paused", "failed"):
                self.evidence.stopped(run)
                (await http.post(f"/v1/runs/{run['id']}/resume")).raise_for_status()
        return sum(run["status"] != "finished" for run in documents)

    async def documents(self, http: httpx.AsyncClient) -> list[dict[str, Any]]:
        """All runs."""
        documents: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            page = (await http.get("/v1/runs", params=query)).raise_for_status().json()
            documents += page["items"]
            cursor = page["next"]
            if cursor is None:
                return documents

    async def kill(self, until: float, quiet_from: float) -> None:
        """Kill the service or one of its workers now and then; the service is started again."""
        while time.monotonic() < until:
            await asyncio.sleep(min(self.options.kill_every, max(0.0, until - time.monotonic())))
            workers = self.evidence.workers()
            whole = time.monotonic() < quiet_from and (not workers or self.rng.random() < 0.5)
            victim = self.process.pid if whole and self.process else self.rng.choice(workers or [0])
            if not victim or time.monotonic() >= until:
                continue
            self.evidence.killed(victim, "service" if whole else "worker")
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            if whole and self.process:
                self.process.wait()
                self.start()

    async def fill(self, until: float) -> None:
        """A full disk now and then."""
        while True:
            await asyncio.sleep(self.options.full_every)
            if time.monotonic() + self.options.full_seconds > until:
                return
            with self.evidence.full():
                await asyncio.to_thread(self.disk.fill)
                await asyncio.sleep(self.options.full_seconds)
                self.disk.free()

    async def measure(self) -> None:
        """Memory and open files of the service."""
        while True:
            await asyncio.sleep(5)
            if self.process:
                self.evidence.measure(self.process.pid)

    async def go(self) -> None:
        """All of it."""
        self.start()
        async with httpx.AsyncClient(base_url=self.url) as http:
            await self.is_up(http)
        began = time.monotonic()
        until = began + self.options.minutes * 60
        around = [asyncio.create_task(client(self.url, self.seen, n)) for n in range(self.options.clients)]
        around.append(asyncio.create_task(self.measure()))
        await asyncio.gather(
            self.post_runs(until),
            self.kill(until, began + self.options.minutes * 40),
            self.fill(until),
        )
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as http:
            with suppress(TimeoutError):  # what has not ended by then is seen below
                async with asyncio.timeout(END_SECONDS):
                    await self.all_ended(http)
            for task in around:
                task.cancel()
            await asyncio.gather(*around, return_exceptions=True)
            for run in await self.documents(http):
                self.evidence.ended[run["id"]] = run
                if run["status"] != "finished":
                    continue  # the stream of its events does not end
                text = (await http.get(f"/v1/runs/{run['id']}/events")).text
                self.evidence.events[run["id"]] = [
                    int(line[4:]) for line in text.splitlines() if line.startswith("id: ")
                ]

    def stop(self) -> int:
        """Stop the service as an operator would; its exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        return self.process.wait(timeout=60)


def soak(options: Options, work: Path) -> dict[str, Any]:
    """Run it in a folder; returns the results."""
    make_data(work / "data", 60)
    calls = work / "calls.jsonl"
    command = [
        sys.executable,
        str(HERE / "soak_teacher.py"),
        "--log",
        str(calls),
        "--share",
        str(options.share),
    ]
    with (
        SmallDisk(work / "home", DISK_MEGABYTES) as disk,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as teacher,
    ):
        try:
            assert teacher.stdout
            address = teacher.stdout.readline().strip()
            whole = Soak(options, disk, work / "data", address, free_port(), work / "serve.log")
            began = time.monotonic()
            try:
                asyncio.run(whole.go())
            finally:
                code = whole.stop()
            results = check(whole.evidence, whole.seen, calls, disk.path)
            checks = results["checks"] | {"the service stopped with 0": code == 0}
            return results | {"seconds": round(time.monotonic() - began), "checks": checks}
        finally:
            teacher.kill()


def main() -> None:
    """Soak, show, and write the results; the exit code is 1 where a check failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--kill-every", type=float, default=120, help="seconds")
    parser.add_argument("--full-every", type=float, default=1200, help="seconds")
    parser.add_argument("--full-seconds", type=float, default=20)
    parser.add_argument("--share", type=float, default=0.15, help="share of the teacher's calls that fail")
    parser.add_argument("--rows", type=int, default=60, help="new rows of a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--work", type=Path, help="folder to work in, which is kept")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "soak.json")
    given = vars(parser.parse_args())
    output, work = given.pop("output"), given.pop("work")
    if not possible():
        parser.error("this machine allows no namespaces with mounts of their own, which the small disk needs")
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        results = soak(Options(**given), (work or Path(folder)).resolve())
    write_json(output, {"machine": before, "options": given, **results})
    print(json.dumps(results, indent=2))
    sys.exit(not all(results["checks"].values()))


if __name__ == "__main__":
    main()
