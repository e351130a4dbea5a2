"""The checkpoints' file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from app.errors import FolderError
from app.runs.keeping import open_checkpoints
from trainer.artifacts import RunPaths

THREAD: Any = {"configurable": {"thread_id": "run", "checkpoint_ns": ""}}


async def test_a_full_disk_is_one_clear_error_and_keeps_what_was_committed(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    kept = ""

    async def fill() -> None:
        nonlocal kept
        async with open_checkpoints(paths) as saver:
            await saver.conn.execute("PRAGMA max_page_count = 30")
            while True:
                kept = (await saver.aput(THREAD, empty_checkpoint(), {}, {}))["configurable"]["checkpoint_id"]

    with pytest.raises(FolderError, match=re.escape(f"{paths.checkpoints}: database or disk is full")):
        await fill()
    async with open_checkpoints(paths) as saver:
        found = await saver.aget_tuple(THREAD)
    assert found
    assert found.checkpoint["id"] == kept
