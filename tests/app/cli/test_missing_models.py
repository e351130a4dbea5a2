"""A student or an embedder that is not there ends a command before anything is trained or paid, and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Command
from tests.input_files import write
from tests.tiny_task import write_data

CONFIG = """
task: classification
data: data
student: {model: /no/such/student}
teacher: {base_url: http://127.0.0.1:9/v1, model: none}
"""
SAID = "student.model: There is no model folder /no/such/student"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data", 8)
    write(tmp_path / "run.yaml", CONFIG)
    write(tmp_path / "compare.yaml", CONFIG + "compare: {methods: [vanilla, random]}\n")
    return tmp_path


@pytest.mark.parametrize("line", ["run run.yaml", "compare compare.yaml", "compare compare.yaml --plan"])
def test_a_missing_student_ends_a_command(command: Command, work: Path, line: str) -> None:
    code, _, err = command(*line.split())
    assert code == 1
    assert f"pada: {SAID}" in err
    assert sorted(path.name for path in work.iterdir()) == ["compare.yaml", "data", "run.yaml"]


def test_it_is_a_fault_for_check(command: Command, work: Path) -> None:
    code, out, err = command("check", "run.yaml")
    assert code == 2
    assert f"fault: {SAID}" in out
    assert "Counting tokens" not in err
