"""How a command ends."""

from __future__ import annotations

import pytest

from app.cli import exit_codes, main
from app.errors import ConfigError
from graphs.errors import TrainerError
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


def test_a_fault_of_the_program_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "app", broken)
    with pytest.raises(ZeroDivisionError):
        main.main()
