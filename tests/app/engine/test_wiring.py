"""What a run is put together of."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.run_config import parse_config
from app.engine.wiring import open_workspace
from app.errors import ConfigError
from graphs.run_paths import RunPaths
from tests.fakes import FakeStudent
from tests.tiny_task import write_data


async def test_rows_that_cannot_be_scored_are_not_chosen_among(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run")
    write_data(tmp_path / "run" / "data")
    document = {"task": "mbpp", "data": "data", "loop": {"method": "vanilla", "oversample": 2}}
    config = parse_config(document, "mbpp.yaml", tmp_path)
    with pytest.raises(ConfigError, match=r"loop\.oversample: mbpp cannot score"):
        async with open_workspace(config, "run", paths, FakeStudent()):
            pass
