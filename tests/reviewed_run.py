"""A run that waits for a review of its patterns; fakes of student, teacher and embedder have brought it there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import parse_config
from app.engine import wiring
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from graphs.run_paths import RunPaths
from graphs.workspace import Workspace
from tests.fakes import FakeEmbedder, FakeStudent, ScriptedTeacher
from tests.tiny_task import config_for
from trainer.artifacts import read_jsonl
from trainer.records import Example
from trainer.tasks import load_task


async def run_to_review(folder: Path, data: Path, base_url: str) -> None:
    """Make the run; another process may go on with it up to the review of its rows, for which no student is trained."""

    @asynccontextmanager
    async def open_workspace(
        config: Any, run_id: str, paths: RunPaths, student: Any, *_: Any
    ) -> AsyncIterator[Workspace]:
        task = load_task(config.task, [Example(**row) for row in read_jsonl(paths.data("train"))])
        yield Workspace(ScriptedTeacher(), student, FakeEmbedder(), task, config.loop, paths)

    document = config_for(data, "builtin:smollm2-135m", base_url, loop={"review": True})
    config = parse_config(document, "config", folder.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "open_workspace", open_workspace)
        report = await Runner(config, folder, lambda _: None, RunOptions(student=FakeStudent())).run()
    assert report.waiting_for == "review"
