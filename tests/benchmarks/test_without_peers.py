"""The benchmarks that need nothing but pada run to their end at toy size. Their figures say nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.loop_student import make_data
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import rows, write_data, write_rows

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, *options: str | Path) -> str:
    line = [sys.executable, f"benchmarks/{script}.py", *map(str, options)]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def result(script: str, output: Path, *options: str | Path) -> Any:
    run(script, *options, "--output", output)
    return json.loads(output.read_text(encoding="utf-8"))


@pytest.mark.student
def test_the_loop_is_compared_with_its_critical_path(tmp_path: Path) -> None:
    toy = ["--latency-rows", "20", "--rounds", "1", "--training", "0.1"]
    latency = result("loop", tmp_path / "out.json", "latency", *toy)["latency"]
    assert latency["accepted"] == 20
    assert latency["stages"]["augment"]["calls"] > 0
    assert latency["ratio"] > 1
    assert latency["repeated_bodies"] == 0


def test_every_event_reaches_every_reader_of_a_service_under_load(tmp_path: Path) -> None:
    toy = {"starts": 1, "waiting": 2, "runs": 4, "pages": 1, "readers": 6, "followed": 2, "seconds": 1}
    options = [text for name, count in toy.items() for text in (f"--{name}", str(count))]
    found = result("load", tmp_path / "out.json", *options)
    load = found["sqlite"]["load"]
    assert load["polls_with_events"]["requests"] == 100
    assert (load["streams"]["delivered"], load["streams"]["gaps"]) == (6, 0)


def test_corrupted_rows_are_told_from_correct_ones_by_the_pool(tmp_path: Path) -> None:
    pool = rows("pool", 3)
    write_rows(tmp_path / "pool.jsonl", pool)
    written = [row | {"verdict": "accepted"} for row in pool]
    written.append(pool[0] | {"completion": "another", "verdict": "judge"})
    folder = tmp_path / "comparison" / "pada" / "seed-0" / "rounds" / "1"
    folder.mkdir(parents=True)
    write_rows(folder / "rows.jsonl", written)
    lines = run(
        "corrupted_row_report", tmp_path / "comparison", "--pool", tmp_path / "pool.jsonl"
    ).splitlines()
    assert [line.split()[1:] for line in lines[1:]] == [
        ["correct", "3", "0", "0", "0"],
        ["corrupted", "0", "0", "1", "0"],
    ]


def test_rows_move_from_train_to_test(tmp_path: Path) -> None:
    source = write_data(tmp_path / "source", 40)
    run("more_test_rows", source, tmp_path / "target", "--per-class", "2")
    counts = {
        split: len((tmp_path / "target" / f"{split}.jsonl").read_text().splitlines())
        for split in ("train", "validation", "test")
    }
    assert counts == {"train": 8, "validation": 40, "test": 72}


@pytest.mark.slow
@pytest.mark.student
def test_a_whole_run_on_real_rows_is_summarised(tmp_path: Path, tiny_student: Path) -> None:
    data = write_data(tmp_path / "data")
    with ScriptedTeacherServer() as teacher:
        found = result(
            "real_rows",
            tmp_path / "out.json",
            "toy",
            "--task",
            "classification",
            "--data",
            data,
            "--teacher",
            teacher.url,
            "--folder",
            tmp_path / "run",
            "--student",
            tiny_student,
            "--epochs",
            "1",
            "--synthetic",
            "10",
        )
    assert [one["round"] for one in found["toy"]["rounds"]] == [0, 1, 2]
    assert found["toy"]["accepted"] > 0
    assert found["toy"]["cost"]["usd"] > 0


@pytest.mark.slow
@pytest.mark.student
def test_a_task_goes_through_one_small_round(tmp_path: Path, tiny_student: Path) -> None:
    make_data(tmp_path / "data" / "banking77", 40)
    teacher = f"{sys.executable} benchmarks/loop_teacher.py --log {tmp_path / 'calls.jsonl'} --port {{port}}"
    options: list[str | Path] = ["--data", tmp_path / "data", "--teacher", teacher, "--task", "banking77"]
    found = result("tasks", tmp_path / "out.json", *options, "--student", tiny_student)
    assert found["banking77"]["status"] == "finished"
    assert found["banking77"]["calls"] > 0
