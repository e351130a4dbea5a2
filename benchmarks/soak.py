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
from benchmarks.soak_runs import RUNNING, SoakedRuns
from trainer.artifacts import write_json

HERE = Path(__file__).resolve().parent
DISK_MEGABYTES = 400


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

    async def is_up(self) -> None:
        """Wait for the first answer."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            while True:
                with suppress(httpx.TransportError):
                    await http.get("/healthz")
                    return
                await asyncio.sleep(0.2)

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
        await self.is_up()
        began = time.monotonic()
        until = began + self.options.minutes * 60
        around = [asyncio.create_task(client(self.url, self.seen, n)) for n in range(self.options.clients)]
        around.append(asyncio.create_task(self.measure()))
        runs = SoakedRuns(
            self.url, self.data, self.teacher, self.options.rows, self.options.rounds, self.evidence
        )
        await asyncio.gather(
            runs.post(until),
            self.kill(until, began + self.options.minutes * 40),
            self.fill(until),
        )
        await runs.collect()
        for task in around:
            task.cancel()
        await asyncio.gather(*around, return_exceptions=True)

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
