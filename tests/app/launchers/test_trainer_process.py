"""The trainer's command line, and what is read of its progress."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.launchers.trainer_process import command, end_of, furthest, last_word, pass_on
from trainer.progress import Progress


def line(**fields: Any) -> str:
    return json.dumps({"time": 1.0, **fields}) + "\n"


def test_several_processes_are_started_by_accelerate() -> None:
    spec = Path("spec.json")
    assert command("trainer.predict", 1, spec) == [sys.executable, "-m", "trainer.predict", "spec.json"]
    several = command("trainer.finetune", 2, spec)
    assert several[1:3] == ["-m", "accelerate.commands.launch"]
    assert several[several.index("--num_processes") + 1] == "2"
    assert several[-3:] == ["-m", "trainer.finetune", "spec.json"]


def test_whole_lines_are_passed_on_once(tmp_path: Path) -> None:
    file, heard = tmp_path / "progress.jsonl", list[Progress]()
    assert pass_on(file, 0, heard.append) == 0
    file.write_text(line(stage="load") + line(stage="train", step=1)[:10])
    position = pass_on(file, end_of(tmp_path / "none"), heard.append)
    assert [progress.stage for progress in heard] == ["load"]
    file.write_text(line(stage="load") + line(stage="train", step=1))
    position = pass_on(file, position, heard.append)
    assert [progress.step for progress in heard] == [0, 1]
    assert pass_on(file, position, heard.append) == position == end_of(file)
    assert len(heard) == 2


def test_a_line_cut_by_a_kill_is_skipped(tmp_path: Path) -> None:
    file, heard = tmp_path / "progress.jsonl", list[Progress]()
    file.write_text(line(stage="train", step=1)[:10] + "\n" + line(stage="train", step=2))
    pass_on(file, 0, heard.append)
    assert [progress.step for progress in heard] == [2]


def test_how_far_the_work_got(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    assert furthest(file) == (0, 0)
    file.write_text(line(stage="train", step=7) + line(stage="warning", step=99))
    trained = furthest(file)
    file.write_text(file.read_text() + line(stage="load") + line(stage="train", step=3))
    assert furthest(file) == trained, "a start that gets less far is no progress"
    file.write_text(file.read_text() + line(stage="predict", step=1))
    assert furthest(file) > trained


def test_the_last_word_is_an_error_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    assert last_word(file) is None
    file.write_text(line(stage="error", message="No such model."))
    assert last_word(file) == "No such model."
    file.write_text(file.read_text() + line(stage="load"))
    assert last_word(file) is None
