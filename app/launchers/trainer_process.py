"""The trainer as a program: its command line, its progress lines and its last message.

`python -m app.launchers.trainer_process MODULE PROCESSES SPEC` becomes the trainer on the machine where it is
called, for a launcher on another machine. It imports nothing that the trainer does not need.
"""

from __future__ import annotations

import json
import os
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trainer.artifacts import read_model, whole_lines
from trainer.progress import Progress, read_progress
from trainer.specs import PredictReport, PredictSpec, TrainReport, TrainSpec

STAGES = ("load", "train", "predict", "done")
"""The stages of a trainer, in order."""


class Launcher(ABC):
    """A student (`graphs.ports.Student`) whose trainer is a program that leaves a report."""

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """See `graphs.ports.Student`."""
        return read_model(
            TrainReport, await self._report("trainer.finetune", spec.student.num_processes, spec)
        )

    async def predict(self, spec: PredictSpec) -> PredictReport:
        """See `graphs.ports.Student`."""
        return read_model(PredictReport, await self._report("trainer.predict", 1, spec))

    async def _report(self, module: str, processes: int, spec: TrainSpec | PredictSpec) -> Path:
        """The file that the finished work has left."""
        path = spec.output / "report.json"
        if not path.exists():
            await self.work(module, processes, spec)
        return path

    @abstractmethod
    async def work(self, module: str, processes: int, spec: TrainSpec | PredictSpec) -> None:
        """Run a piece of work until it leaves its report, continuing earlier starts.

        Args:
            module, processes: as for `command`.

        Raises:
            TrainerError: it failed.
        """


def command(module: str, processes: int, spec: Path) -> list[str]:
    """The trainer's command line.

    Args:
        module: `trainer.finetune` or `trainer.predict`.
        processes: training processes on one machine; more than one are started by accelerate.
        spec: the spec's file.
    """
    # accelerate starts several processes only with `--multi_gpu`, on CPUs too
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
    return [sys.executable, *(launch if processes > 1 else []), "-m", module, str(spec)]


def environment() -> dict[str, str]:
    """Environment variables of the trainer's process on this machine."""
    variables = {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    return variables if Path("/dev/nvidiactl").exists() else variables | {"ACCELERATE_USE_CPU": "true"}


def end_of(progress: Path) -> int:
    """Position (bytes) after the lines of earlier starts."""
    return progress.stat().st_size if progress.exists() else 0


def pass_on(progress: Path, position: int, listen: Callable[[Progress], None]) -> int:
    """Pass on the whole lines after `position` (bytes); the position after them."""
    lines, position = whole_lines(progress, position)
    for line in lines:
        with suppress(ValueError):  # a line cut short by a kill
            listen(Progress(**json.loads(line)))
    return position


def furthest(progress: Path) -> tuple[int, int]:
    """How far the work got in all its starts: index of the stage, and steps or rows in it."""
    reached = (
        (STAGES.index(line.stage), line.step) for line in read_progress(progress) if line.stage in STAGES
    )
    return max(reached, default=(0, 0))


def last_word(progress: Path) -> str | None:
    """The trainer's own message, if its last line is an error."""
    last = next(iter(deque(read_progress(progress), maxlen=1)), None)
    return last.message if last and last.stage == "error" else None


def main(arguments: list[str]) -> None:
    """Become the trainer."""
    module, processes, spec = arguments
    line = command(module, int(processes), Path(spec))
    os.execve(line[0], line, os.environ | environment())  # noqa: S606 - there is no shell to be fooled


if __name__ == "__main__":
    main(sys.argv[1:])
