"""A run's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import RunConfig, parse_config
from app.engine.run_folder import differences, open_run, owned, owner_of
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


def test_trackers_may_be_added_while_a_run_goes_on(tmp_path: Path) -> None:
    with owned(tmp_path) as paths:
        first = open_run(paths, config())
        assert open_run(paths, config().model_copy(update={"track": ["tensorboard"]})) == first


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


def test_the_lock_names_its_process_while_it_is_held(tmp_path: Path) -> None:
    assert owner_of(tmp_path) is None
    with owned(tmp_path):
        owner = owner_of(tmp_path)
        assert owner is not None
        assert owner.pid == os.getpid()
    assert owner_of(tmp_path) is None


def test_a_run_of_an_earlier_version_goes_on_where_new_options_have_their_defaults(tmp_path: Path) -> None:
    with owned(tmp_path) as paths:
        first = open_run(paths, config())
        document = json.loads((tmp_path / "run.json").read_text())
        del document["identity"]["student"]["compile"], document["identity"]["loop"]["oversample"]
        document["identity"]["student"]["predict_batch_size"] = 64
        (tmp_path / "run.json").write_text(json.dumps(document))
        assert open_run(paths, config()).run_id == first.run_id
        changed = config().model_copy(update={"loop": config().loop.model_copy(update={"oversample": 2.0})})
        with pytest.raises(FolderError, match=r"loop\.oversample was None, is 2\.0"):
            open_run(paths, changed)


def test_a_key_that_this_version_does_not_know_is_named(tmp_path: Path) -> None:
    with owned(tmp_path) as paths:
        open_run(paths, config())
        document = json.loads((tmp_path / "run.json").read_text())
        document["identity"]["loop"]["aim"] = "cases"
        (tmp_path / "run.json").write_text(json.dumps(document))
        with pytest.raises(FolderError, match=r"loop\.aim was 'cases', is None"):
            open_run(paths, config())


def test_how_the_student_works_may_change_and_what_it_is_may_not(tmp_path: Path) -> None:
    def with_student(**keys: Any) -> RunConfig:
        return config().model_copy(update={"student": config().student.model_copy(update=keys)})

    with owned(tmp_path) as paths:
        open_run(paths, config())
        open_run(paths, with_student(micro_batch_size=2, predict_batch_size=8, checkpoint_every=5))
        with pytest.raises(FolderError, match=r"student\.learning_rate was"):
            open_run(paths, with_student(learning_rate=0.5))


def test_differences_name_the_whole_key() -> None:
    old = {"loop": {"rounds": 2, "qc": True}, "seed": 1, "gone": 3}
    new = {"loop": {"rounds": 3, "qc": True}, "seed": 1, "added": 4}
    assert differences(old, new) == [
        "loop.rounds was 2, is 3",
        "gone was 3, is None",
        "added was None, is 4",
    ]
