"""What is said of a path under `data` that cannot be the rows; `tests/app/cli/test_given_paths.py` has those of commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.data import DataSpec, prepare_data
from graphs.run_paths import RunPaths
from tests.tiny_task import write_data
from trainer.data_files import DataError


@pytest.mark.parametrize("kind", ["file", "table", "missing", "around"])
def test_what_is_no_folder_of_rows_is_named_as_what_it_is(tmp_path: Path, kind: str) -> None:
    folder = write_data(tmp_path / "tickets" / "data", 8)
    table = tmp_path / "tickets.csv"
    table.write_text("text,label\n")
    spec, words = {
        "file": (DataSpec(folder=table), f"data: {table} is a file.*`pada init {table}` makes"),
        "table": (
            DataSpec(folder=folder, validation=table),
            f"data.validation: {table} is a table, and a run reads JSONL. `pada init`",
        ),
        "missing": (DataSpec(folder=tmp_path / "no"), f"data: there is no folder {tmp_path / 'no'}"),
        "around": (
            DataSpec(folder=folder.parent),
            f"data: {folder.parent} has no train.jsonl, and {folder} has one: name that folder",
        ),
    }[kind]
    with pytest.raises(DataError, match=words):
        prepare_data(spec, "classification", 0, RunPaths(tmp_path / "run"))
