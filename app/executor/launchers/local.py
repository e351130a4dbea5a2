"""The student on this machine: the trainer as a child process that cannot outlive us."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from graphs.errors import TrainerError
from trainer.artifacts import Fence, read_json, write_json
from trainer.specs import PredictReport, PredictSpec, Progress, TrainReport, TrainSpec

Report = TypeVar("Report", TrainReport, PredictReport)

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.2
GRACE_SECONDS = 10.0
PID_FILE = "trainer.pid"


class LocalStudent:
    """Runs `trainer.finetune` and `trainer.predict` in a session of their own.

    Args:
        listen: called with every line of the trainer's progress.
        fence: who may write into the run's folder; given to the trainer, which cannot know otherwise.
    """

    def __init__(self, listen: Callable[[Progress], None], fence: Fence | None = None):
        self._listen = listen
        self._fence = fence
        # one training at a time: two torch processes on one device slow each other many times over
        self._turn = asyncio.Lock()

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """See `graphs.ports.Student`."""
        processes = spec.student.num_processes
        # `--multi_gpu` is how accelerate is told to start several processes, on CPUs too
        launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
        return await self._work(
            "trainer.finetune", launch if processes > 1 else [], spec, spec.output, TrainReport
        )

    async def predict(self, spec: PredictSpec) -> PredictReport:
        """See `graphs.ports.Student`."""
        return await self._work("trainer.predict", [], spec, spec.output, PredictReport)

    async def _work(
        self, module: str, launch: list[str], spec: TrainSpec | PredictSpec, folder: Path, kind: type[Report]
    ) -> Report:
        done = folder / "report.json"
        if not done.exists():
            async with self._turn:
                end_predecessor(folder / PID_FILE)
                write_json(folder / "spec.json", spec.model_copy(update={"fence": self._fence}))
                command = [sys.executable, *launch, "-m", module, str(folder / "spec.json")]
                await run_child(command, folder, self._listen)
        return kind(**read_json(done))


async def run_child(command: list[str], folder: Path, listen: Callable[[Progress], None]) -> None:
    """Run one trainer process to its end, passing on its progress.

    Raises:
        TrainerError: it failed; the message is the trainer's own, or names its log.
    """
    log = folder / "trainer.log"
    with log.open("ab") as output:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent,
            env=os.environ | trainer_environment(),
        )
    try:
        write_json(folder / PID_FILE, identity(child.pid))
        code = await follow(child, folder / "progress.jsonl", listen)
    finally:
        await stop(child)
    if code:
        raise TrainerError(why(folder, log, code))


def identity(pid: int) -> dict[str, Any]:
    """What tells a process from all others: pids are used again, but not with the same start."""
    return {"host": socket.gethostname(), "pid": pid, "started": started_at(pid)}


def started_at(pid: int) -> str | None:
    """When a process was started, in clock ticks since the machine's start (proc(5), field 22); None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def end_predecessor(path: Path) -> None:
    """Kill a trainer that an earlier owner of the run left in this folder, if it still lives on this machine.

    It dies with its parent, but the parent may only be stopped, and have lost the run meanwhile.
    """
    if not path.exists():
        return
    found = read_json(path)
    if found == identity(found["pid"]) and found["started"]:
        with suppress(ProcessLookupError):
            os.killpg(found["pid"], signal.SIGKILL)


def trainer_environment() -> dict[str, str]:
    """What the trainer's process is told besides its spec."""
    told = {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    return told if Path("/dev/nvidiactl").exists() else told | {"ACCELERATE_USE_CPU": "true"}


def die_with_parent() -> None:
    """In the child, before it starts: end when the parent does, however that ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def follow(
    child: asyncio.subprocess.Process, progress: Path, listen: Callable[[Progress], None]
) -> int:
    """Pass on new progress lines until the process ends; its exit code."""
    position = end_of(progress)
    waiting = asyncio.ensure_future(child.wait())
    while True:
        await asyncio.wait({waiting}, timeout=POLL_SECONDS)
        position = pass_on(progress, position, listen)
        if waiting.done():
            return waiting.result()


def end_of(progress: Path) -> int:
    """Where the lines of this start begin: after those of earlier ones."""
    return progress.stat().st_size if progress.exists() else 0


def pass_on(progress: Path, position: int, listen: Callable[[Progress], None]) -> int:
    """Pass on the whole lines after `position` (bytes); the position after them."""
    if not progress.exists():
        return position
    with progress.open("rb") as file:
        file.seek(position)
        whole, found, _ = file.read().rpartition(b"\n")
    for line in whole.splitlines():
        with suppress(ValueError):  # a line cut short by a kill
            listen(Progress(**json.loads(line)))
    return position + len(whole) + len(found)


async def stop(child: asyncio.subprocess.Process) -> None:
    """End the process and all that it started: first politely, then for certain."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(child.wait(), GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


def why(folder: Path, log: Path, code: int) -> str:
    """The trainer's own last word, or where to look."""
    progress = folder / "progress.jsonl"
    lines = progress.read_text(encoding="utf-8").splitlines() if progress.exists() else []
    for line in reversed(lines):
        with suppress(ValueError):
            last = Progress(**json.loads(line))
            if last.stage == "error" and last.message:
                return last.message
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    ended = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
    return f"The trainer {ended}: {tail[0]}. Its log is {log}."
