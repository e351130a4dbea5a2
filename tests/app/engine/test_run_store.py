"""The checkpoints' file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from app.api.app import create_app
from app.engine.run_store import open_checkpoints, strict_serializer
from app.errors import ConfigError, FolderError
from app.settings import Settings
from graphs.run_paths import RunPaths

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
        last = await saver.aget_tuple(THREAD)
    assert last
    assert last.checkpoint["id"] == kept


async def test_a_damaged_file_is_named_and_so_is_the_way_on(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    paths.checkpoints.write_bytes(b"this is no database")
    with pytest.raises(FolderError, match=r"checkpoints\.sqlite: the file is damaged .* or remove it"):
        async with open_checkpoints(paths):
            pass


def test_a_checkpoint_makes_no_objects_when_it_is_read() -> None:
    class_of_ours = strict_serializer().dumps_typed({"value": RunPaths(Path("/somewhere"))})
    read = strict_serializer().loads_typed(class_of_ours)
    assert not isinstance(read["value"], RunPaths)


def test_the_service_refuses_to_start_without_strict_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "false")
    with pytest.raises(ConfigError, match="LANGGRAPH_STRICT_MSGPACK"):
        create_app(Settings(home=tmp_path))
