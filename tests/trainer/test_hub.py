"""Splits by the `datasets` library, from files and folders of this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from trainer.data_files import DataError
from trainer.hub import load_split
from trainer.tasks.base import Hub


@pytest.fixture
def saved(tmp_path: Path) -> str:
    """A folder of `save_to_disk` with ten rows, whose labels are stored as numbers."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    rows = {"text": [f"t{n}" for n in range(10)], "label": [n % 2 for n in range(10)]}
    DatasetDict({"train": Dataset.from_dict(rows, features=features)}).save_to_disk(tmp_path / "saved")
    return str(tmp_path / "saved")


def test_classes_are_names(saved: str) -> None:
    rows = load_split(Hub(path="unused"), "train", saved)
    assert rows[:2] == [{"text": "t0", "label": "no"}, {"text": "t1", "label": "yes"}]
    assert len(rows) == 10


def test_a_part_of_a_saved_split(saved: str) -> None:
    assert [row["text"] for row in load_split(Hub(path="unused"), "train[7:]", saved)] == ["t7", "t8", "t9"]
    assert [row["text"] for row in load_split(Hub(path="unused"), "train[:20%]", saved)] == ["t0", "t1"]


def test_files_of_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    hub = Hub(path="json", files={"train": str(tmp_path / "rows.jsonl")})
    assert load_split(hub, "train") == [{"text": "a"}, {"text": "b"}]


def test_what_cannot_be_loaded_is_named(saved: str) -> None:
    with pytest.raises(DataError, match=r"The split 'nothing' of .*saved cannot be loaded"):
        load_split(Hub(path="unused"), "nothing", saved)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'pada\[hub\]'"):
        load_split(Hub(path="unused"), "train")
