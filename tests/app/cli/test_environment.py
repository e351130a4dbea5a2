"""What commands say of a wrong environment variable: one line, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Command, environment
from tests.input_files import write
from tests.tiny_task import write_data

CONFIG = """
task: classification
data: data
student: {model: builtin:smollm2-135m}
loop: {method: vanilla}
"""
SAID = "PADA_PORT: a whole number of at least 0 and at most 65535 belongs here (it is 'x')."


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data", 4)
    return write(tmp_path / "config.yaml", CONFIG)


@pytest.mark.parametrize(
    "line",
    [("serve",), ("mcp",), ("keys", "list"), ("run", "config.yaml"), ("check", "config.yaml")],
    ids=lambda line: line[0],
)
def test_a_wrong_variable_ends_a_command(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PADA_PORT", "x")
    code, out, err = command(*line)
    assert (code, out) == (1, "")
    assert err.endswith(f"pada: {SAID}")
    assert not (config.parent / "runs" / "config").exists()


def test_it_is_json_for_programs(command: Command, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_LAUNCHER", "foo")
    _, out, _ = command("run", config, "--json")
    said = json.loads(out.splitlines()[-1])
    assert said == {
        "type": "error",
        "ok": False,
        "error": "PADA_LAUNCHER: one of local, ray belongs here (it is 'foo').",
    }


def test_a_worker_says_it_in_one_line() -> None:
    command = [sys.executable, "-m", "app.executor.worker", "run", "1"]
    done = subprocess.run(
        command,
        env=environment() | {"PADA_PORT": "x"},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=os.curdir,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"pada: {SAID}\n")


@pytest.mark.parametrize("key", ["pada_a\nb", "pada_a ", "pada_é"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(
    command: Command, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("PADA_KEY", key)
    code, out, err = command("runs", "list", "--server", "http://127.0.0.1:9")
    assert (code, out) == (1, "")
    assert err.startswith("pada: The API key (PADA_KEY) holds what no HTTP header can carry:")
    assert key.split()[0] not in err


def test_a_host_that_there_is_not_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_HOST", "no host")
    code, out, err = command("serve")
    assert (code, out) == (1, "")
    assert err.startswith("pada: PADA_HOST: 'no host' is no address to listen on:")


def test_a_port_that_there_is_not_is_refused_as_an_option(command: Command) -> None:
    code, _, err = command("serve", "--port", 70000)
    assert code == 2
    assert "'--port'" in err


@pytest.mark.parametrize("said", [["serve"], ["keys", "list"]])
def test_a_home_or_a_database_that_cannot_be_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "file").write_text("no database, and no folder")
    for variable, value, words in (
        ("PADA_HOME", tmp_path / "file", f"no folder can be made at {tmp_path / 'file'}"),
        (
            "PADA_DATABASE_URL",
            f"sqlite:///{tmp_path / 'file'}",
            "the database cannot be used: file is not a database",
        ),
        (
            "PADA_DATABASE_URL",
            f"sqlite:///{tmp_path / 'no' / 'file'}",
            "the database cannot be used: unable to open",
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setenv("PADA_HOME", str(tmp_path / "home"))
            patch.setenv(variable, str(value))
            code, out, err = command(*said)
        assert (code, out) == (1, "")
        assert err.startswith(f"pada: {variable}: {words}"), err


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("said", [["serve"], ["keys", "list"]])
def test_a_postgresql_that_cannot_be_used_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str], installed: bool
) -> None:
    if installed:
        pytest.importorskip("psycopg")
    else:
        monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("PADA_HOME", str(tmp_path))
    monkeypatch.setenv("PADA_DATABASE_URL", "postgresql://me:secret@127.0.0.1:9/x")
    code, out, err = command(*said)
    words = (
        "the database cannot be used: connection"
        if installed
        else "PostgreSQL needs the package psycopg. Run: "
    )
    assert (code, out) == (1, "")
    assert err.startswith(f"pada: PADA_DATABASE_URL: {words}"), err
    assert "secret" not in err
