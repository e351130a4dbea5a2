"""A task class beside the config file is imported, wherever the command is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import pada
from tests.tiny_task import config_for, write_config


@pytest.mark.parametrize("command", ["run", "compare"])
def test_the_folder_of_the_config_is_searched(command: str, tmp_path: Path, data: Path) -> None:
    (tmp_path / "task_beside.py").write_text("raise RuntimeError('imported from beside the config')")
    document = config_for(data, "builtin:smollm2-135m", "http://127.0.0.1:9/v1") | {
        "task": "task_beside:Task"
    }
    if command == "compare":
        document["compare"] = {"methods": ["vanilla"]}
    done = pada(command, write_config(tmp_path / "config.yaml", document), "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "imported from beside the config" in done.stderr
