"""A run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import RunConfig, parse_config
from app.engine.run_folder import differences, open_run, owned
from app.errors import FolderError


def config(seed: int = 0, **teacher: Any) -> RunConfig:
    document = {
        "task": "classification",
        "seed": seed,
        "data": "data",
        "teacher": {"base_url": "http://localhost:1/v1", "model": "m", **teacher},
    }
    return parse_config(document, "config.yaml", Path("/configs"))


def test_the_metadata_of_a_new_run_are_kept(tmp_path: Path) -> None:
    with owned(tmp_path / "run") as paths:
        first = open_run(paths, config(), "7b1e0c52d94f4a6f8f3b2a1c0d9e8f70")
        again = open_run(paths, config())
    assert again == first
    assert set(json.loads((tmp_path / "run" / "run.json").read_text())) == {"run_id", "created", "identity"}
    assert first.run_id == "7b1e0c52d94f4a6f8f3b2a1c0d9e8f70"


def test_a_teacher_may_move_and_a_seed_may_not(tmp_path: Path) -> None:
    with owned(tmp_path) as paths:
        first = open_run(paths, config())
        assert open_run(paths, config(base_url="http://elsewhere:1/v1")) == first
        with pytest.raises(FolderError, match="seed was 0, is 1"):
            open_run(paths, config(seed=1))
    assert "elsewhere" in paths.config.read_text(), "the config of a refused start is not written"
    assert "seed: 0" in paths.config.read_text()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with owned(tmp_path) as paths, pytest.raises(FolderError, match=r"thesis\.tex"):
        open_run(paths, config())
    assert not (tmp_path / "run.json").exists()


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    with owned(tmp_path), pytest.raises(FolderError, match="another process"), owned(tmp_path):
        pass
    with owned(tmp_path):
        pass


def test_differences_name_the_whole_key() -> None:
    old = {"loop": {"rounds": 2, "qc": True}, "seed": 1, "gone": 3}
    new = {"loop": {"rounds": 3, "qc": True}, "seed": 1, "added": 4}
    assert differences(old, new) == [
        "loop.rounds was 2, is 3",
        "gone was 3, is None",
        "added was None, is 4",
    ]
