"""A run with fakes in a process of its own, to be tracked: `python -m tests.app.engine.tracked_run ROOT TRACKERS [KILL]`.

Its student says of each step what a trainer says. With KILL the process ends itself by SIGKILL when that round is judged
and the trackers have had the baseline.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.config.run_config import RunConfig, parse_config
from app.engine import wiring
from app.engine.events import Event, RoundScore
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from graphs.run_paths import RunPaths
from graphs.workspace import Workspace
from tests.fakes import FakeEmbedder, FakeStudent, ScriptedTeacher
from tests.tiny_task import config_for, write_data
from trainer.artifacts import read_json, read_jsonl, write_json
from trainer.progress import ProgressLog
from trainer.records import Example
from trainer.specs import LossPoint, TrainReport, TrainSpec
from trainer.tasks import load_task

STEPS = 5
LOGIN = "anna:canary-5e1f77"
BODY_KEY = "canary-body-99aa"


class TellingStudent(FakeStudent):
    """Says of each step of a training what a trainer says; one step twice, as after a kill."""

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        progress = ProgressLog(spec.output / "progress.jsonl")
        round_number = int(spec.output.parent.name)
        losses = [
            LossPoint(step=step, loss=round_number + 1 / step, learning_rate=0.1 / step)
            for step in range(1, STEPS + 1)
        ]
        for point in [*losses[:3], *losses[2:]]:
            progress.write(stage="train", steps=STEPS, tokens_per_second=100.0, **point.model_dump())
        report = await super().fine_tune(spec)
        report = report.model_copy(update={"steps": STEPS, "loss": losses})
        write_json(spec.output / "report.json", report)
        return report


@asynccontextmanager
async def played_workspace(
    config: RunConfig, run_id: str, paths: RunPaths, student: Any, *_: Any
) -> AsyncIterator[Workspace]:
    task = load_task(config.task, [Example(**row) for row in read_jsonl(paths.data("train"))])
    yield Workspace(ScriptedTeacher(), student, FakeEmbedder(), task, config.loop, paths)


def tracked_config(root: Path, trackers: list[str]) -> RunConfig:
    """A run of two rounds whose config has secrets where a user might put them."""
    data = root / "data"
    document = config_for(
        data if data.exists() else write_data(data),
        "builtin:smollm2-135m",
        f"http://{LOGIN}@127.0.0.1:9/v1",
        teacher={"extra_body": {"api_key": BODY_KEY, "reasoning_effort": "low"}},
    )
    return parse_config(document | {"track": trackers}, "config.yaml", root)


def wait_for(state: Path) -> None:
    """Wait until a tracker has had round 0."""
    for _ in range(600):
        if state.exists() and read_json(state)["last"].get("round") == 0:
            return
        time.sleep(0.2)
    raise TimeoutError(state)


async def run_tracked(root: Path, trackers: list[str], kill: int | None = None) -> list[Event]:
    """The events of one start of the run in `root/first`."""
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, RoundScore) and event.round == kill:
            # the trackers get the points of this round's score only in the next start
            for name in trackers:
                wait_for(root / "first" / "tracking" / f"{name}.json")
            os.kill(os.getpid(), signal.SIGKILL)

    options = RunOptions(student=TellingStudent())
    with patch.object(wiring, "open_workspace", played_workspace):
        await Runner(tracked_config(root, trackers), root / "first", listen, options).run()
    return heard


if __name__ == "__main__":
    where, names, *last = sys.argv[1:]
    asyncio.run(run_tracked(Path(where), names.split(","), int(last[0]) if last else None))
