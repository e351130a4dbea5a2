"""`pada init` as a real process: what it writes, asks, says and refuses."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
from pathlib import Path

import openpyxl
import pytest
import yaml

from app.cli.main import app
from app.config.run_config import load_config
from tests.command import PADA, environment, pada
from tests.conftest import Run
from tests.input_files import as_csv, as_jsonl, mixed, requests, write
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import rows as tiny_rows


def rows_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_it_writes_data_and_a_config_that_loads(tmp_path: Path) -> None:
    path = write(tmp_path / "tickets.csv", as_csv([*mixed(200), ("empty", "")], separator=";"))
    done = pada("init", path, "--output", tmp_path / "out", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out")
    config = load_config(tmp_path / "out" / "config.yaml")
    assert (config.task, config.output) == ("classification", tmp_path / "out" / "runs" / "first")
    written = [
        row
        for split in ("train", "validation", "test")
        for row in rows_of(tmp_path / "out" / "data" / f"{split}.jsonl")
    ]
    assert sorted((row["prompt"], row["completion"]) for row in written) == sorted(mixed(200))
    assert {row["place"] for row in written} == {f"tickets.csv, line {n}" for n in range(2, 202)}
    [skipped] = rows_of(tmp_path / "out" / "data" / "skipped.jsonl")
    assert (skipped["file"], skipped["line"]) == ("tickets.csv", 202)
    for said in (
        "separated by semicolon",
        "UTF-8",
        "classification",
        "points of accuracy",
        "tickets.csv, line 202",
        "200 rows of 201",
    ):
        assert said in done.stdout


def test_without_a_terminal_and_without_yes_nothing_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a b.csv", as_csv(mixed(80)))
    done = subprocess.run(
        [PADA, "init", str(path), "--output", str(tmp_path / "out"), "--answer", "label"],
        capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    taken = shlex.join(["init", str(path), "--output", str(tmp_path / "out"), "--answer", "label"])
    assert f"  pada {taken} --prompt text --task classification --yes\n" in done.stdout
    assert "Nothing was written" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("typed", "code", "prompt"),
    [("y\n", 0, "text"), ("n\ny\n", 2, None), ("n\nn\nnote\nlabel\nclassification\ny\n", 0, "note")],
    ids=["yes", "no", "other columns"],
)
def test_at_a_terminal_it_asks(tmp_path: Path, typed: str, code: int, prompt: str | None) -> None:
    rows = [(text, label, f"note on {text}") for text, label in mixed(80)]
    path = write(tmp_path / "a.csv", as_csv(rows, ("text", "label", "note")))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [PADA, "init", str(path), "--output", str(tmp_path / "out")],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass
    assert process.wait(60) == code, shown.decode()
    if prompt is None:
        assert not (tmp_path / "out").exists()
    else:
        texts = {row["prompt"] for row in rows_of(tmp_path / "out" / "data" / "train.jsonl")}
        assert texts <= {row[0] if prompt == "text" else row[2] for row in rows}


def test_what_is_there_is_not_overwritten_unless_forced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", as_csv(mixed(80)))
    folder = tmp_path / "out"
    assert pada("init", path, "--output", folder, "--yes").returncode == 0
    (folder / "notes.txt").write_text("mine")
    before = (folder / "data" / "train.jsonl").read_text()
    refused = pada("init", path, "--output", folder, "--yes", "--seed", 5)
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    assert (folder / "data" / "train.jsonl").read_text() == before
    assert pada("init", path, "--output", folder, "--yes", "--seed", 5, "--force").returncode == 0
    assert (folder / "data" / "train.jsonl").read_text() != before
    assert sorted(item.name for item in folder.iterdir()) == ["config.yaml", "data", "notes.txt"]
    (folder / "data" / "mine.jsonl").write_text("")
    foreign = pada("init", path, "--output", folder, "--yes", "--force")
    assert (foreign.returncode, "mine.jsonl" in foreign.stderr) == (2, True)


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"text,label\n" + b"hello,a\n" * 3)
    done = pada("init", path, "--output", tmp_path / "out", "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["a.csv"]


def test_a_hub_data_set_that_cannot_be_loaded(tmp_path: Path) -> None:
    done = pada("init", "hub:nobody/nothing", "--output", tmp_path / "out", "--yes")
    assert done.returncode == 2
    assert "hub:nobody/nothing: the data set cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr


def test_control_signs_of_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    rows = [{"text": f"{text} \x1b[31mred\x07", "label": label} for text, label in mixed(80)]
    done = pada("init", write(tmp_path / "a.jsonl", as_jsonl(rows)), "--output", tmp_path / "out", "--yes")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert "\x1b[31mred" in json.dumps(rows_of(tmp_path / "out" / "data" / "train.jsonl")).encode().decode(
        "unicode_escape"
    )


def test_answers_that_are_longer_than_the_tasks_limit_raise_it(tmp_path: Path) -> None:
    rows = [(text, json.dumps({"text": text * 12, "n": n})) for n, (text, _) in enumerate(requests(60))]
    done = pada("init", write(tmp_path / "a.csv", as_csv(rows)), "--output", tmp_path / "out", "--yes")
    assert done.returncode == 0, done.stderr
    student = load_config(tmp_path / "out" / "config.yaml").student
    assert (student.max_new_tokens or 0) > 128
    assert student.max_length >= 512


@pytest.mark.student
def test_from_a_spreadsheet_to_a_finished_run(
    tmp_path: Path, student: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    """The written config runs as it is, once the teacher's address and the student are set."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["Request", "Team"])
    for split in ("train", "validation", "test"):
        for row in tiny_rows(split):
            book.active.append([row["prompt"], row["completion"]])
    book.save(tmp_path / "requests.xlsx")
    done = pada("init", tmp_path / "requests.xlsx", "--output", tmp_path / "out", "--yes")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "out" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["teacher"] |= {
        "base_url": scripted_teacher.url,
        "model": "scripted_teacher",
        "api_key_env": "TINY_KEY",
        "prices": {"scripted_teacher": {"input_per_million": 0, "output_per_million": 0}},
    }
    config["student"] |= {
        "model": str(student),
        "template": "plain",
        "dtype": "float32",
        "learning_rate": 0.003,
        "epochs": 2,
        "tune": "off",
    }
    config["loop"] |= {"rounds": 1, "synthetic_per_round": 8}
    path.write_text(yaml.safe_dump(config))
    ran = pada("run", path)
    assert ran.returncode == 0, ran.stderr
    run = Run(tmp_path / "out" / "runs" / "first", path, ran)
    assert run.report["status"] == "finished"
    assert run.report["task"] == "classification"
    assert run.report["test"]["n"] == len(rows_of(tmp_path / "out" / "data" / "test.jsonl")) == 30


def test_rows_without_answers_become_data_unlabeled(tmp_path: Path) -> None:
    """They have the columns of the rows with answers; one row has nothing that is asked."""
    path = write(tmp_path / "tickets.csv", as_csv(mixed(200)))
    logs = write(tmp_path / "logs.csv", "text;agent\nwhere is my parcel;Ann\n;Bob\nmy money is gone;Ann\n")
    done = pada("init", path, "--unlabeled", logs, "--output", tmp_path / "out", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"Without answers: 2 rows of {logs}; 1 left out" in " ".join(done.stdout.split())
    config = load_config(tmp_path / "out" / "config.yaml")
    assert config.data.unlabeled == tmp_path / "out" / "data" / "unlabeled.jsonl"
    assert config.loop.sources == {"generated": 0.5, "unlabeled": 0.5}
    written = rows_of(tmp_path / "out" / "data" / "unlabeled.jsonl")
    assert [(row["prompt"], row["place"]) for row in written] == [
        ("where is my parcel", "logs.csv, line 2"),
        ("my money is gone", "logs.csv, line 4"),
    ]
    assert [row["line"] for row in rows_of(tmp_path / "out" / "data" / "skipped.jsonl")] == [3]


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ("question;agent\nhello;Ann\n", "--unlabeled: there is no column text, which is what is asked"),
        ("text;agent\n;Ann\n", "no row can be used. logs.csv, line 2: `text` is empty"),
    ],
)
def test_rows_without_answers_that_cannot_be_used_are_told(tmp_path: Path, logs: str, message: str) -> None:
    path = write(tmp_path / "tickets.csv", as_csv(mixed(80)))
    pool = write(tmp_path / "logs.csv", logs)
    done = pada("init", path, "--unlabeled", pool, "--output", tmp_path / "out", "--yes")
    assert done.returncode == 2
    assert message in done.stderr.replace("'", "").replace("`text`,", "text,")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [("--sheet", "an Excel workbook"), ("--separator", "a CSV file"), ("--encoding", "a text file")],
)
def test_an_option_about_no_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, words: str
) -> None:
    book = option != "--sheet"
    path = tmp_path / ("a.xlsx" if book else "a.csv")
    if book:
        workbook = openpyxl.Workbook()
        for row in [("text", "label"), *mixed(40)]:
            workbook.active.append(row)
        workbook.save(path)
    else:
        write(path, as_csv(mixed(40)))
    with pytest.raises(SystemExit) as end:
        app(["init", str(path), "--output", str(tmp_path / "out"), "--yes", option, "utf-8"])
    assert end.value.code == 2
    assert f"{option}: none of the files is {words}" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
