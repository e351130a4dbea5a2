"""Rows without answers are looked at too."""

from __future__ import annotations

import json
from pathlib import Path

from app.config.data import DataSpec
from app.config.run_config import RunConfig
from app.prepare.checks.check import check_rows
from tests.app.prepare.checks.checked_rows import FIRST, Row, check, sound


def check_pool(folder: Path, *pool: Row) -> dict[str, list[tuple[int | None, str]]]:
    """The lines and details of the findings about unlabelled rows."""
    for split, rows in sound().items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    logs = folder / "logs.jsonl"
    logs.write_text("".join(json.dumps(row) + "\n" for row in pool))
    data = DataSpec(folder=folder, unlabeled=logs)
    report = check_rows(RunConfig(task="classification", data=data))[0]
    return {
        each.code: [(place.line, place.detail) for place in each.places if place.file == str(logs)]
        for each in report.findings
        if any(place.file == str(logs) for place in each.places)
    }


def test_unlabelled_rows_are_looked_at_too(tmp_path: Path) -> None:
    test = next(row for row in sound()["test"])
    found = check_pool(
        tmp_path,
        {"prompt": "a customer asks something that nobody has asked before"},
        {"prompt": test["prompt"].upper()},
        {"prompt": FIRST + "!"},
        {"prompt": "write to jane.doe@example.org about the broken door of my shed"},
        {"prompt": "the very same words as the row that follows this one"},
        {"prompt": "the very same words as the row that follows this one"},
        {"prompt": FIRST + " x"},
    )
    assert {code: [line for line, _ in places] for code, places in found.items()} == {
        "unlabeled_known": [2, 3, 6],
        "unlabeled_near": [7],
        "personal_data": [4],
    }
    assert found["unlabeled_known"][0][1] == "its prompt is that of a test row"


def test_unlabelled_rows_that_cannot_be_read_are_faults(tmp_path: Path) -> None:
    assert check_pool(tmp_path, {"prompt": "sound"}, {"question": "no prompt"})["row"][0][0] == 2
    assert "empty" in check_pool(tmp_path, {"prompt": FIRST})


def test_a_missing_file_of_unlabelled_rows_is_a_fault(tmp_path: Path) -> None:
    check(tmp_path, sound())
    data = DataSpec(folder=tmp_path, unlabeled=tmp_path / "no.jsonl")
    report = check_rows(RunConfig(task="classification", data=data))[0]
    assert [each.code for each in report.faults] == ["file"]
    assert report.splits["unlabeled"].rows == 0
