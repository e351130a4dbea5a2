"""What a command says of a path that is something else than it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import Command
from tests.input_files import as_csv, as_jsonl, mixed, write
from tests.tiny_task import write_data

CONFIG = """
task: classification
data: data
student: {model: nowhere}
teacher: {base_url: http://127.0.0.1:9/v1, model: none}
output: runs/first
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder as `pada init` makes it, without a run."""
    folder = tmp_path / "tickets"
    write_data(folder / "data", 4)
    write(folder / "config.yaml", CONFIG)
    (tmp_path / "empty").mkdir()
    return folder


def made_run(place: Path) -> Path:
    run = place / "runs" / "first"
    run.mkdir(parents=True)
    write(run / "config.yaml", CONFIG)
    write(run / "run.json", "{}")
    return run


@pytest.mark.parametrize("name", ["check", "run", "compare"])
def test_what_is_no_config(command: Command, place: Path, name: str) -> None:
    rows = place / "data" / "train.jsonl"
    run = made_run(place)
    for path, words in (
        (rows, f"{rows}: this is a file of rows, and no config. `pada init {rows}` makes"),
        (write(place.parent / "a.xlsx", b"PK\x03\x04"), "`pada init"),
        (write(place.parent / "a.json", '[{"text": "a"}]'), "If this is a file of rows, `pada init"),
        (write(place.parent / "b.txt", "text\tlabel\n"), "If this is a file of rows, `pada init"),
        (place, f"{place}: this is a folder. Give the config in it: {place / 'config.yaml'}"),
        (place / "data", f"its config may be {place / 'config.yaml'}"),
        (run, f"the folder of a run. To go on with the run: `pada run {run}/config.yaml --output {run}`"),
        (place.parent / "empty", "`pada init FILE...` makes one"),
        (place.parent / "no.yaml", "there is no such file"),
        (write(place.parent / "latin.yaml", "task: x\ndata: größe\n", "cp1252"), "line 2: byte 0xf6 is not UTF-8"),
    ):  # fmt: skip
        code, out, err = command(name, path)
        assert (code, out) == (1, "")
        assert words in err
        assert "Errno" not in err


def test_the_config_of_a_comparison(command: Command, place: Path) -> None:
    write(place / "config.yaml", CONFIG + "compare: {methods: [vanilla, random]}\n")
    for name in ("run", "check"):
        assert f"`pada compare {place / 'config.yaml'}` runs it" in command(name, place / "config.yaml")[2]


@pytest.mark.parametrize(
    "name", ["report", "export", "review", "remove-row"], ids=["report", "export", "review", "remove-row"]
)
def test_what_is_no_run(command: Command, place: Path, name: str) -> None:
    more = ["row"] if name == "remove-row" else []
    config = place / "config.yaml"
    for path, words in (
        (config, f"this is a config, and not the folder of a run. It has no run yet; `pada run {config}` starts it."),
        (place, f"Start one: pada run {config}"),
        (place / "data" / "train.jsonl", "this is a file, and not the folder of a run"),
        (place.parent / "nowhere", "there is no such folder"),
        (place.parent / "empty", "this is not the folder of a run (it has no run.json)."),
    ):  # fmt: skip
        code, out, err = command(name, path, *more)
        assert (code, out) == (1, "")
        assert words in err
    run = made_run(place)
    assert f"Its run is in {run}." in command(name, config, *more)[2]
    assert f"this is not the folder of a run, but has some: {run}." in command(name, place, *more)[2]


def test_what_is_no_file_of_rows(command: Command, place: Path) -> None:
    config = place / "config.yaml"
    code, out, err = command("init", config, "--output", place.parent / "out", "--yes")
    assert (code, out) == (2, "")
    assert f"this is a config, and no file of rows. `pada check {config}` checks it" in err
    code, _, err = command("init", made_run(place), "--output", place.parent / "out", "--yes")
    assert (code, "this is the folder of a run, and no data" in err) == (2, True)
    assert not (place.parent / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "no.yaml"), 1, "there is no such file"),
        (("check", "no.yaml"), 1, "there is no such file"),
        (("review", "nowhere"), 1, "there is no such folder"),
        (("run",), 2, "Missing argument"),
        (("run", "no.yaml", "--rounds", "3"), 2, "No such option: --rounds"),
        (("runs", "list", "--server", "http://127.0.0.1:9"), 1, "no pada service answers there"),
        (("demo", "--output", "file/run"), 1, "Not a directory"),
    ],
)  # fmt: skip
def test_with_json_every_command_prints_its_error_in_one_form(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "file", as_csv(mixed(4)) + as_jsonl([]))
    ended, out, err = command(*arguments, "--json")
    last = json.loads(out.splitlines()[-1])
    assert last.keys() == {"type", "ok", "error"}
    assert (ended, last["type"], last["ok"]) == (code, "error", False)
    assert words in last["error"]
    assert words in err
    assert command(*arguments)[:2] == (code, "")
