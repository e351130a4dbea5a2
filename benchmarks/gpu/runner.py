"""Runs the steps one after another, each in a process of its own, under its own time limit and a common deadline."""

from __future__ import annotations

import importlib.util
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.gpu.catalog import Step
from benchmarks.gpu.install import COMMIT
from benchmarks.gpu.results import ResultFile
from benchmarks.machine import commit

ROOT = Path(__file__).resolve().parent.parent.parent

TAIL = 12
"""Lines of a failed step's log that go into the result."""

SKIPPED = 77
"""Exit code of a step that has written why it cannot be run here."""

LEAST_SHARE = 0.3
"""A step is begun only if this share of its limit is left before the deadline."""

REHEARSAL_FACTOR = 3.0
"""A rehearsal may take longer than a GPU does: two slow cores load the same libraries."""

REHEARSAL_NOTE = (
    "A rehearsal on a CPU at toy size: it shows that every step works. Its figures say nothing about a GPU."
)


@dataclass(frozen=True)
class Runner:
    """One run of the check.

    Args:
        results: where figures go.
        work: folder for models, rows and logs; it is kept, so that a second try finds them.
        python_path: packed modules, before the checkout.
        rehearse: on the CPU at toy size.
        deadline: seconds from now after which nothing is left running.
        say: gets a line for each thing that happens.
    """

    results: ResultFile
    work: Path
    python_path: list[Path]
    rehearse: bool
    deadline: float
    say: Callable[[str], None]

    def run(self, steps: Iterable[Step]) -> bool:
        """Run the steps; whether none of them failed."""
        began = time.monotonic()
        self._head()
        good = True
        for step in steps:
            left = self.deadline - (time.monotonic() - began)
            status = self._one(step, left)
            good &= status in ("done", "skipped")
            self.results.put("seconds", value=round(time.monotonic() - began, 1))
        return good

    def _head(self) -> None:
        head: dict[str, Any] = {"kind": "rehearsal" if self.rehearse else "measurement"}
        if self.rehearse:
            head["note"] = REHEARSAL_NOTE
        head |= {"device": "cpu", "driver": None} if self.rehearse else gpu()
        head |= {"python": platform.python_version(), "cores": os.cpu_count()}
        head["commit"] = commit() or packed_commit()
        head["started"] = datetime.now(UTC).isoformat(timespec="seconds")
        for key, value in head.items():
            self.results.put(key, value=value)

    def _one(self, step: Step, left: float) -> str:
        limit = step.limit * (REHEARSAL_FACTOR if self.rehearse else 1)
        reason = self._obstacle(step, limit, left)
        if reason:
            return self._end(step, "skipped", reason=reason)
        self.results.put("steps", step.name, value={"about": step.about, "status": "running"})
        self.say(f"== {step.name}: {step.about}")
        began, log = time.monotonic(), self.work / f"{step.name}.log"
        code = self._process(step, log, min(limit, left))
        seconds = round(time.monotonic() - began, 1)
        if code == 0:
            return self._end(step, "done", seconds=seconds)
        if code == SKIPPED:
            return self._end(step, "skipped", seconds=seconds)
        status = "out of time" if code is None else "failed"
        return self._end(step, status, seconds=seconds, exit_code=code, error=tail(log))

    def _obstacle(self, step: Step, limit: float, left: float) -> str | None:
        if step.gpu_only and self.rehearse:
            return "It needs a GPU."
        missing = [name for name in step.needs if importlib.util.find_spec(name) is None]
        if missing:
            return f"Not installed here: {', '.join(missing)}."
        if left < LEAST_SHARE * limit:
            return f"{max(left, 0):.0f} s were left before the deadline."
        return None

    def _process(self, step: Step, log: Path, limit: float) -> int | None:
        """The step's exit code; None if its time ran out."""
        scale = "toy" if self.rehearse else "full"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.gpu.steps", step.name, scale]
        with log.open("wb") as output:
            child = subprocess.Popen(
                [*command, str(self.work), str(self.results.path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env=os.environ | self._environment(),
                start_new_session=True,
            )
            try:
                return child.wait(limit)
            except subprocess.TimeoutExpired:
                return None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def _environment(self) -> dict[str, str]:
        paths = [*map(str, self.python_path), str(ROOT)]
        told = {
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "LANGSMITH_TRACING": "false",
            "TOKENIZERS_PARALLELISM": "false",
            "PADA_CACHE": os.environ.get("PADA_CACHE", str(self.work / "cache")),
        }
        if self.rehearse:
            # One thread: on a busy machine threads that wait for each other by spinning are many times slower.
            told |= {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        return told

    def _end(self, step: Step, status: str, **more: Any) -> str:
        for key, value in ({"about": step.about, "status": status} | more).items():
            self.results.put("steps", step.name, key, value=value)
        found = self.results.read()["steps"][step.name]
        self.say(f"   {step.name}: {status}, {found.get('seconds', 0)} s {found.get('reason', '')}")
        for line in more.get("error", []):
            self.say(f"   | {line}")
        return status


def tail(log: Path) -> list[str]:
    """The last lines of a log, without those that only underline."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return [line for line in lines if line.strip(" ^~")][-TAIL:]


def gpu() -> dict[str, Any]:
    """The GPU's name, driver and memory, as nvidia-smi names them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        return {"device": "unknown", "driver": f"nvidia-smi: {error}"}
    name, driver, memory = (part.strip() for part in done.stdout.splitlines()[0].split(","))
    return {"device": name, "driver": driver, "memory": memory}


def packed_commit() -> str | None:
    """The commit of a checkout without git, as it was packed."""
    return (ROOT / COMMIT).read_text(encoding="utf-8").strip() if (ROOT / COMMIT).exists() else None
