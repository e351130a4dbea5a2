"""Commands whose standard streams are closed, or cannot write every sign."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from app.cli.streams import say
from tests.command import PADA, environment
from tests.input_files import as_csv, mixed, write


def call(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A line of a shell in which `$PADA` is the command."""
    return subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        capture_output=True,
        env=environment() | {"PADA": PADA} | variables,
        timeout=120,
        check=False,
    )


def test_a_sign_that_the_locale_lacks_is_escaped(tmp_path: Path) -> None:
    rows = [(f"{prompt} \U0001f600", answer) for prompt, answer in mixed(40)]
    write(tmp_path / "rows.csv", as_csv(rows))
    done = call("$PADA init rows.csv --output made --yes", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert rb"\U0001f600" in done.stdout
    assert "\U0001f600" in (tmp_path / "made" / "data" / "train.jsonl").read_text(encoding="utf-8")


def test_a_file_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", as_csv(mixed(40)))
    path.rename(os.fsdecode(bytes(tmp_path) + b"/rows\xff.csv"))
    done = call("$PADA init *.csv --output made --yes", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(rb"rows\xff.csv: ")


def test_json_is_utf_8_in_any_locale(tmp_path: Path) -> None:
    done = call("$PADA check €.yaml --json", tmp_path, PYTHONIOENCODING="latin-1")
    assert "€.yaml: there is no such file" in json.loads(done.stdout.decode("utf-8"))["error"]


def test_without_an_input_there_is_nobody_to_ask(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", as_csv(mixed(40)))
    done = call("$PADA init rows.csv --output made <&-", tmp_path)
    assert done.returncode == 2
    assert b"there is no terminal to ask at" in done.stderr
    assert not (tmp_path / "made").exists()


def test_without_an_output_the_work_is_done(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", as_csv(mixed(40)))
    assert call("$PADA init rows.csv --output made --yes >&- 2>&-", tmp_path).returncode == 0
    assert (tmp_path / "made" / "config.yaml").exists()


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("\x1b[2Jlabel", "\ufffd[2Jlabel"),
        ("\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        ("\x9b31mlabel", "\ufffd31mlabel"),
        ("right\rwrong\b", "right\ufffdwrong\ufffd"),
        ("\u202elebal", "\ufffdlebal"),
        ("one line\nand\tanother", "one line\nand\tanother"),
        (
            "\u0915\u094d\u200d\u0937 \U0001f469\u200d\U0001f4bb",
            "\u0915\u094d\u200d\u0937 \U0001f469\u200d\U0001f4bb",
        ),
    ],
    ids=["screen", "title", "C1", "cursor", "direction", "lines", "joined signs"],
)
def test_what_others_wrote_does_not_control_the_terminal(
    text: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say(text)
    assert capsys.readouterr().out == f"{printed}\n"
