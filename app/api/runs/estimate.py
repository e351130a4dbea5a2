"""What a run would take, for a request that starts none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from fastapi import Request

from app.api.datasets import service as datasets
from app.api.keys.auth import Caller
from app.api.runs.schemas import RunRequest
from app.api.runs.validation import admit
from app.config.run_config import RunConfig
from app.config.teacher_network import refuse_addresses
from app.db import runs as run_repository
from app.db.pages import PageRequest
from app.errors import Unavailable
from app.settings import Settings
from graphs.run_paths import RunPaths

LOOKED_AT = 100
"""Newest runs among which one with such a student is looked for."""
LOOK_SECONDS = 0.5
"""How often it is looked whether somebody still waits."""
ALIKE = ("model", "method", "batch_size", "max_length", "num_processes")
"""Settings of a student that decide how fast it trains."""


async def estimate(request: Request, who: Caller, body: RunRequest) -> dict[str, Any]:
    """What `pada check` says of a run, and how long it takes.

    Raises:
        ConfigError, NotFound: the run could not be started.
        Unavailable: whoever asked has left.
    """
    state, settings = request.app.state, request.app.state.settings
    folder = await folder_of(request, who, body.dataset)
    config = admit(body.config, folder, settings)
    await refuse_addresses(config, settings)
    before = await earlier_training(request, who, config, settings)
    module, given = "app.api.runs.plan", config.model_dump_json().encode()
    async with state.check_turn:
        output = await unless_left(request, datasets.run_module(module, str(before or ""), given=given))
    return read_output(output, folder)


def read_output(output: bytes, folder: Path | None) -> dict[str, Any]:
    """What a module has printed. The folder of a data set is left out of its texts: whoever asked reads them."""
    text = output.decode()
    shown = text.replace(json.dumps(f"{folder}/")[1:-1], "") if folder else text
    found: dict[str, Any] = json.loads(shown)
    return found


async def folder_of(request: Request, who: Caller, dataset: str | None) -> Path | None:
    """The folder of an uploaded data set; None where none is named.

    Raises:
        NotFound: there is none, or it is another key's.
    """
    if dataset is None:
        return None
    settings: Settings = request.app.state.settings
    async with request.app.state.reads() as session:
        return settings.datasets / (await datasets.find(session, dataset, who.sees)).id


async def unless_left(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """The result of some work, which ends when whoever asked for it has left.

    Raises:
        Unavailable: nobody waits for the result any more.
    """
    task = asyncio.create_task(work)
    try:
        while not task.done():
            if await request.is_disconnected():
                raise Unavailable("Whoever asked has left.")
            await asyncio.wait([task], timeout=LOOK_SECONDS)
        return task.result()
    finally:
        task.cancel()


async def earlier_training(
    request: Request, who: Caller, config: RunConfig, settings: Settings
) -> Path | None:
    """The report of an earlier training of such a student, in the caller's newest runs."""
    async with request.app.state.reads() as session:
        runs, _ = await run_repository.get_page(session, who.sees, None, PageRequest(None, LOOKED_AT))
    student = config.model_dump(mode="json")["student"]
    for run in runs:
        other = run.config.get("student", {})
        report = RunPaths(settings.runs / run.id).round(0).train_report
        if all(other.get(name) == student[name] for name in ALIKE) and report.exists():
            return report
    return None
