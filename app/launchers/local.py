"""The student on this machine: the trainer runs as a child process that cannot outlive this one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from app.launchers.devices import Devices, give_up, hold, places
from app.launchers.forks import Fork, ForkServer
from app.launchers.processes import Process, start_child
from app.launchers.trainer_process import (
    Launcher,
    command,
    end_of,
    environment,
    furthest,
    last_word,
    pass_on,
)
from graphs.errors import MachineBlocked, TrainerError
from trainer.artifacts import write_json, write_text
from trainer.fencing import Fence
from trainer.forkserver import Order
from trainer.progress import Progress
from trainer.specs import PredictSpec, TrainSpec
from trainer.storage import EXIT_BLOCKED

POLL_SECONDS = 0.2
GRACE_SECONDS = 10.0
PID_FILE, LOG = "trainer.pid", "trainer.log"
STARTS = 5
"""Number of starts in a row that a signal may end without progress before the work fails."""

Child = asyncio.subprocess.Process | Fork


class LocalStudent(Launcher):
    """Runs `trainer.finetune` and `trainer.predict` in a session of their own. A single process is forked from one
    that has the libraries loaded; several are started by accelerate.

    Args:
        listen: called with every line of the trainer's progress.
        fence: who may write into the run's folder; it is passed on to the trainer.
        task_folder: see `TrainSpec.task_folder`.
        forks: starts the trainers of several runs; None is one of its own.
    """

    def __init__(
        self,
        listen: Callable[[Progress], None],
        fence: Fence | None = None,
        task_folder: Path | None = None,
        forks: ForkServer | None = None,
    ):
        self._listen = listen
        self._shares = forks is not None
        self._forks = forks or trainer_forks()
        self._added = {"fence": fence, "task_folder": task_folder}

    async def work(self, module: str, processes: int, spec: TrainSpec | PredictSpec) -> None:
        """Start the trainer until it ends by itself. A killed trainer continues from its last checkpoint."""
        folder, order = spec.output, spec.output / "spec.json"
        end_predecessor(folder / PID_FILE)
        write_json(order, spec.model_copy(update=self._added))
        progress = folder / "progress.jsonl"
        code, starts, best = -1, 0, furthest(progress)
        while code < 0 and starts < STARTS:
            held = await hold(places(), processes, self._wait)
            code = await self._run(module, processes, order, held)
            reached = furthest(progress)
            starts, best = 1 if reached > best else starts + 1, reached
        if code == EXIT_BLOCKED:
            raise MachineBlocked(f"{why(folder, code)} Make room on this machine, and resume the run.")
        if code:
            raise TrainerError(why(folder, code))

    def _wait(self) -> None:
        self._listen(Progress(time=time.time(), stage="load", message="It waits for a device."))

    async def _run(self, module: str, processes: int, order: Path, held: Devices) -> int:
        """Run one trainer process to its end, passing on its progress; its exit code, negative for a signal."""
        folder = order.parent
        try:
            with (folder / LOG).open("ab") as log:
                child = await self._start(module, processes, order, held, log)
        finally:
            give_up(held.locks)
        try:
            write_text(folder / PID_FILE, str(Process.find(child.pid) or ""))
            return await follow(child, folder / "progress.jsonl", self._listen)
        finally:
            await stop(child)

    async def _start(self, module: str, processes: int, order: Path, held: Devices, log: IO[bytes]) -> Child:
        if processes == 1:
            asked = Order(module=module, spec=str(order), variables=held.environment())
            if fork := await self._forks.start(asked, [log.fileno(), *held.locks]):
                return fork
        return await start_child(
            command(module, processes, order),
            variables=environment() | held.environment(),
            stdout=log,
            stderr=log,
            pass_fds=held.locks,
        )

    async def aclose(self) -> None:
        """End what it keeps ready for the next trainer."""
        if not self._shares:
            await self._forks.aclose()


def trainer_forks() -> ForkServer:
    """What keeps the trainer's libraries loaded; to be closed."""
    return ForkServer(environment())


def end_predecessor(path: Path) -> None:
    """Kill a trainer that an earlier owner of the run left in this folder, if it is still alive on this machine.

    A trainer dies with its parent, but the parent may be stopped (SIGSTOP) and have lost the run meanwhile.
    """
    process = Process.parse(path.read_text(encoding="utf-8")) if path.exists() else None
    if process and process.lives:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def follow(child: Child, progress: Path, listen: Callable[[Progress], None]) -> int:
    """Pass on new progress lines until the process ends; its exit code."""
    position = end_of(progress)
    waiting = asyncio.ensure_future(child.wait())
    while True:
        await asyncio.wait({waiting}, timeout=POLL_SECONDS)
        position = pass_on(progress, position, listen)
        if waiting.done():
            return waiting.result()


async def stop(child: Child) -> None:
    """End the process and everything it started: SIGTERM first, then SIGKILL."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(child.wait(), GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


def why(folder: Path, code: int) -> str:
    """The trainer's own message, or where to look."""
    if code > 0 and (message := last_word(folder / "progress.jsonl")):
        return message
    log = folder / LOG
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    killed = f"was ended by signal {-code}, {STARTS} times at the same place (is there enough memory?)"
    ended = killed if code < 0 else f"failed with exit code {code}"
    return f"The trainer {ended}: {tail[0]}. Its log is {log}."
