"""How a command ends."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from app.cli import exit_codes, main
from app.errors import ConfigError
from graphs.errors import TrainerError
from tests.command import PADA, environment
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for, write_config
from trainer.data_files import DataError


def test_an_error_is_one_paragraph_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        exit_codes.fail("The config lacks `data`.", code=exit_codes.PAUSED)
    assert end.value.code == 3
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err == "pada: The config lacks `data`.\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("a.yaml: task: missing."), 1, "a.yaml: task: missing."),
        (TrainerError("Out of memory."), 1, "Out of memory."),
        (DataError("train.jsonl: line 3."), 1, "train.jsonl: line 3."),
        (OSError(28, "No space left on device", "rows.jsonl"), 1, "rows.jsonl: No space left on device."),
        (KeyboardInterrupt(), 130, "Start the same command again"),
        (
            ConfigError("a.yaml: \x1b]0;title\x07key: unknown."),
            1,
            "a.yaml: \ufffd]0;title\ufffdkey: unknown.",
        ),
    ],
)
def test_what_a_user_can_fix_is_no_traceback(
    error: BaseException,
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(main, "app", broken)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "compare"])
def test_sigint_stops_a_background_job_too(
    tmp_path: Path, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer, command: str
) -> None:
    """A shell starts background jobs with SIGINT ignored."""
    document = config_for(data, student, scripted_teacher.url)
    document["student"]["steps"] = 5000
    document |= {"compare": {"methods": ["random"]}} if command == "compare" else {}
    config = write_config(tmp_path / "config.yaml", document)
    ignore = "trap '' INT; exec \"$@\""
    process = subprocess.Popen(
        ["sh", "-c", ignore, "sh", PADA, command, str(config), "--output", str(tmp_path / "out")],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").rglob("spec.json")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Start the same command again" in said


def test_a_fault_of_the_program_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "app", broken)
    with pytest.raises(ZeroDivisionError):
        main.main()
