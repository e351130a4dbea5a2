"""`pada check` as a user runs it: what it prints, its exit code, JSON and page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import CANARY, pada
from tests.flaky_server import FlakyServer
from tests.tiny_task import config_for, rows, write_config, write_rows

pytestmark = pytest.mark.student


@pytest.fixture
def config(tmp_path: Path, student: Path) -> Path:
    """A config with rows that can be used, of which one validation row is too long and one answer names a token."""
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        write_rows(folder / f"{split}.jsonl", rows(split, 60))
    change(
        folder / "validation.jsonl",
        2,
        prompt="Classify the request.\nRequest: " + "password " * 400 + "\nLabel:",
    )
    document = config_for(folder, student, "http://127.0.0.1:9/v1")
    return write_config(tmp_path / "config.yaml", document)


def change(path: Path, line: int, **more: Any) -> None:
    """Change a row of a file."""
    lines = path.read_text().splitlines()
    lines[line - 1] = json.dumps(json.loads(lines[line - 1]) | more)
    path.write_text("\n".join(lines) + "\n")


def test_it_says_what_there_is_what_is_wrong_and_what_a_run_takes(config: Path) -> None:
    done = pada("check", config)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Task: classification"
    assert any(line.startswith("train: 60 rows, ") and "tokens in the median" in line for line in lines)
    assert any("60 test rows show a true difference of" in line for line in lines)
    assert any(line.startswith("Memory: training takes about ") for line in lines)
    assert any(line.startswith("Plan: ") and "teacher calls" in line for line in lines)
    assert any(
        line.startswith("warning: Rows of validation count as wrong without an answer") for line in lines
    )
    assert any(line.startswith(f"  {config.parent / 'data' / 'validation.jsonl'}:2: ") for line in lines)
    assert lines[-1].startswith("A run can start: no faults, ")


def test_faults_are_counted_as_json_and_on_a_page(config: Path, tmp_path: Path) -> None:
    path = config.parent / "data" / "train.jsonl"
    change(path, 3, completion="")
    change(path, 9, prompt=5)
    change(config.parent / "data" / "test.jsonl", 1, completion="<script>alert(1)</script>")
    page = tmp_path / "check.html"
    done = pada("check", config, "--json", "--html", page)
    assert done.returncode == 2, done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is False
    faults = {fault["code"]: fault for fault in found["findings"] if fault["level"] == "fault"}
    assert [place["line"] for place in faults["row"]["places"]] == [3, 9]
    assert faults["unseen_label"]["count"] == 1
    assert found["splits"]["train"]["rows"] == 58
    assert sum(count for *_, count in found["splits"]["train"]["lengths"]["histogram"]) == 58
    assert found["memory"]["needed"] > 10**6
    assert found["plan"] is None
    text = page.read_text()
    assert "A run would stop: " in text
    assert "<script>alert" not in text
    assert "chart-lengths" in text


def test_a_student_that_is_not_there_is_one_fault(config: Path) -> None:
    text = config.read_text()
    config.write_text(
        "\n".join(
            "  model: ./nowhere" if line.strip().startswith("model: /") else line
            for line in text.splitlines()
        )
    )
    done = pada("check", config)
    assert done.returncode == 2
    assert "fault: student.model: " in done.stdout
    assert "nowhere" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_wrong_config_is_the_usual_error(tmp_path: Path) -> None:
    done = pada("check", write_config(tmp_path / "config.yaml", {"task": "classification", "seed": -1}))
    assert done.returncode == 1
    assert "seed" in done.stderr


def test_what_a_run_stops_at_before_its_first_question_is_a_fault(config: Path) -> None:
    text = config.read_text()
    config.write_text(
        text + "\nbudget: {max_usd: 5}\n"
        if "budget:" not in text
        else text.replace("budget:", "budget: {max_usd: 5}\nx:")
    )
    done = pada("check", config)
    assert done.returncode == 2, done.stdout
    assert "there is no price for" in done.stdout


def test_the_page_overwrites_only_a_page(config: Path, tmp_path: Path) -> None:
    before = config.read_text()
    for target in (config, tmp_path / "nowhere" / "x.html"):
        done = pada("check", config, "--html", target)
        assert (done.returncode, "--html: " in done.stderr) == (1, True)
    assert config.read_text() == before
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("task: [", "not valid YAML"),
        ("task: exact_match\nbudgets: {}\ndata: here\n", "did you mean `budget`"),
        (None, "there is no such file"),
    ],
)
def test_a_config_that_cannot_be_read_is_told_as_json_too(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_text(content)
    done = pada("check", path, "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["type"], told["ok"], reason in told["error"]) == ("error", False, True)
    assert reason in done.stderr
    assert pada("check", path).stdout == ""


def test_keys_that_stand_twice_and_numbers_that_are_none_are_faults_with_their_lines(config: Path) -> None:
    path = config.parent / "data" / "train.jsonl"
    lines = path.read_text().splitlines()
    lines[1] = lines[1][:-1] + ', "prompt": "again"}'
    lines[4] = lines[4][:-1] + ', "score": NaN}'
    path.write_text("\n".join(lines) + "\n")
    done = pada("check", config, "--json")
    assert done.returncode == 2
    (found,) = [each for each in json.loads(done.stdout)["findings"] if each["code"] == "row"]
    assert [place["line"] for place in found["places"]] == [2, 5]
    assert "stands twice" in found["places"][0]["detail"]
    assert "NaN" in found["places"][1]["detail"]


def test_the_teacher_is_asked_only_on_request_and_the_key_is_nowhere(config: Path, tmp_path: Path) -> None:
    page = tmp_path / "check.html"
    with FlakyServer(lambda n: "ok" if n < 5 else "401") as server:
        config.write_text(config.read_text().replace("http://127.0.0.1:9/v1", server.url))
        assert json.loads(pada("check", config, "--json").stdout)["teacher"] is None
        assert server.calls == []
        done = pada("check", config, "--teacher", "--html", page)
        refused = pada("check", config, "--teacher", "--json")
    assert done.returncode == 0, done.stderr
    assert f"Teacher: scripted_teacher at {server.url} (analyst, generator, judge)" in done.stdout
    assert "  structured output: json_schema\n" in done.stdout
    assert "  writer (SampleBatch): " in done.stdout
    assert ">json_schema<" in page.read_text().replace("</td>", "<")
    assert refused.returncode == 2
    (model,) = json.loads(refused.stdout)["teacher"]
    assert [call["schema"] for call in model["calls"]][:2] == ["ErrorAnalysis", "FailurePattern"]
    for text in (done.stdout, done.stderr, page.read_text(), refused.stdout, refused.stderr):
        assert CANARY not in text
