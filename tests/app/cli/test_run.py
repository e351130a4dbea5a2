"""`pada run` as a real process: the real trainer and embedder, a tiny student, and a teacher over HTTP."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphs.report import Report
from tests.command import CANARY, pada, start
from tests.conftest import Run
from tests.scripted_teacher_server import ScriptedTeacherServer, answer
from tests.tiny_task import config_for, label_of, rows, write_config

pytestmark = pytest.mark.student


def accuracy(predictions: list[dict[str, Any]], split: str) -> float:
    truth = {row["id"]: row["completion"] for row in rows(split)}
    assert [row["id"] for row in predictions] == list(truth)
    right: int = sum(truth[row["id"]] == row["text"].strip() for row in predictions)
    return right / len(truth)


def test_it_ends_with_success_and_prints_the_folder_last(whole_run: Run) -> None:
    assert whole_run.done.returncode == 0
    assert whole_run.done.stdout.splitlines()[-1] == str(whole_run.folder)
    assert "Traceback" not in whole_run.done.stderr
    assert "Warning" not in whole_run.done.stderr


def test_report_has_every_field_of_the_contract(whole_run: Run) -> None:
    report = whole_run.report
    kinds: dict[str, type | tuple[type, ...]] = {
        "run_id": str, "status": str, "method": str, "task": str, "seed": int, "student": str, "accepted": int,
        "rounds": list, "baseline": dict, "best": dict, "test": dict, "cost": dict, "seconds": dict,
    }  # fmt: skip
    for key, kind in kinds.items():
        assert isinstance(report[key], kind), key
    assert (report["status"], report["method"], report["task"], report["seed"]) == (
        "finished", "pada", "classification", 7,
    )  # fmt: skip
    for item in report["rounds"]:
        assert set(item) >= {"round", "metric", "validation", "ci95", "promoted", "accepted", "patterns"}
        low, high = item["ci95"]
        assert 0 <= low <= item["validation"] <= high <= 1
    assert set(report["test"]) >= {"metric", "n", "baseline", "best", "difference", "ci95", "p_value"}
    assert set(report["cost"]) >= {"calls", "prompt_tokens", "completion_tokens", "usd", "repeated"}
    assert all(isinstance(value, float | int) and value >= 0 for value in report["seconds"].values())
    assert {"fine_tune", "analyze_errors", "augment", "finish"} <= set(report["seconds"])
    Report(**report)


def test_scores_are_those_of_the_predictions(whole_run: Run) -> None:
    """Counted again here, by plain comparison with the data's own labels."""
    report = whole_run.report
    counted = [
        accuracy(whole_run.rows(f"rounds/{item['round']}/predictions/validation.jsonl"), "validation")
        for item in report["rounds"]
    ]
    assert [item["validation"] for item in report["rounds"]] == pytest.approx(counted)
    assert [item["round"] for item in report["rounds"]] == [0, 1, 2]
    assert report["baseline"]["validation"] == pytest.approx(counted[0])
    best = report["best"]["round"]
    assert report["best"]["validation"] == pytest.approx(counted[best])
    test = report["test"]
    assert test["n"] == 40
    assert test["baseline"] == pytest.approx(
        accuracy(whole_run.rows("final/baseline/predictions.jsonl"), "test")
    )
    assert test["best"] == pytest.approx(accuracy(whole_run.rows("final/best/predictions.jsonl"), "test"))
    assert test["difference"] == pytest.approx(test["best"] - test["baseline"])
    assert test["ci95"][0] <= test["difference"] <= test["ci95"][1]


def test_the_loop_closes_the_gap_of_the_data(whole_run: Run) -> None:
    """The words that train never shows come to the student by way of analysis, pattern, strategy and rows."""
    report = whole_run.report
    assert report["best"]["round"] > 0
    assert report["test"]["difference"] > 0.1
    assert report["test"]["ci95"][0] > 0
    named = {pattern["name"] for item in report["rounds"] for pattern in item["patterns"]}
    assert named
    assert all(name.startswith("Unknown words for ") for name in named)


def test_promotions_never_lose_score(whole_run: Run) -> None:
    best = 0.0
    for item in whole_run.report["rounds"]:
        if item["promoted"]:
            assert item["validation"] > best
            best = item["validation"]
    assert best == whole_run.report["best"]["validation"]


def test_every_written_row_has_one_verdict_and_none_is_lost(
    whole_run: Run, scripted_teacher: ScriptedTeacherServer
) -> None:
    """What the server handed out, and what is on file, are the same rows."""
    report = whole_run.report
    handed: Counter[tuple[str, str]] = Counter()
    for request in scripted_teacher.of_run(whole_run.report["run_id"]):
        if request.schema == "SampleBatch":
            samples = answer("SampleBatch", request.data)["samples"]
            handed.update((sample["prompt"], sample["completion"]) for sample in samples)
    kept: Counter[tuple[str, str]] = Counter()
    for item in report["rounds"][1:]:
        candidates = whole_run.rows(f"rounds/{item['round']}/rows.jsonl")
        assert len({candidate["id"] for candidate in candidates}) == len(candidates)
        assert Counter(candidate["verdict"] for candidate in candidates) == item["verdicts"]
        assert all(candidate["reason"] for candidate in candidates)
        kept.update((candidate["prompt"], candidate["completion"]) for candidate in candidates)
    assert kept == handed


def test_accepted_rows_are_right_and_are_the_training_set(whole_run: Run) -> None:
    report = whole_run.report
    total = 0
    for item in report["rounds"][1:]:
        accepted = whole_run.rows(f"rounds/{item['round']}/accepted.jsonl")
        by_verdict = {
            row["id"]: row
            for row in whole_run.rows(f"rounds/{item['round']}/rows.jsonl")
            if row["verdict"] == "accepted"
        }
        assert {row["id"] for row in accepted} == set(by_verdict)
        assert len(accepted) == item["accepted"] <= 24
        # the judge knows which rows are mislabelled; the free check finds what is no label
        assert all(label_of(row["prompt"]) == row["completion"] for row in accepted)
        total += len(accepted)
        assert item["train_rows"] == 40 + total
    assert report["accepted"] == total > 24


def test_rows_tell_where_they_come_from(whole_run: Run) -> None:
    train = {row["id"] for row in rows("train")}
    for item in whole_run.report["rounds"][1:]:
        patterns = {pattern["id"] for pattern in item["patterns"]}
        for row in whole_run.rows(f"rounds/{item['round']}/rows.jsonl"):
            if row["origin"] == "pattern":
                assert row["pattern"] in patterns
                assert row["source"] is None
            else:
                assert row["source"] in train
                assert row["pattern"] is None


def test_accounts_of_patterns_are_counted_over_their_failures(whole_run: Run) -> None:
    for item in whole_run.report["rounds"][1:]:
        number = item["round"]
        before = {s["id"]: s for s in whole_run.rows(f"rounds/{number - 1}/scores/validation.jsonl")}
        after = {s["id"]: s for s in whole_run.rows(f"rounds/{number}/scores/validation.jsonl")}
        failed = {name for name, score in before.items() if not score["correct"]}
        assert {name for p in item["patterns"] for name in p["failures"]} == failed
        for pattern in item["patterns"]:
            fixed = sum(after[name]["correct"] for name in pattern["failures"])
            assert (pattern["fixed"], pattern["size"]) == (fixed, len(pattern["failures"]))
            assert pattern["fixed"] + pattern["unmoved"] + pattern["regressed"] == pattern["size"]


def test_events_are_numbered_without_a_gap(whole_run: Run) -> None:
    events = whole_run.rows("events.jsonl")
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert [event["round"] for event in events if event["type"] == "score"] == [0, 1, 2]


def test_the_key_is_nowhere(whole_run: Run) -> None:
    for path in whole_run.folder.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
    assert CANARY not in whole_run.done.stdout + whole_run.done.stderr


def test_a_finished_run_started_again_costs_nothing(
    whole_run: Run, scripted_teacher: ScriptedTeacherServer
) -> None:
    before, asked = whole_run.report, len(scripted_teacher.seen)
    again = pada("run", whole_run.config, "--output", whole_run.folder, "--json")
    assert again.returncode == 0, again.stderr
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert lines[-1] == {"type": "result", "status": "finished", "folder": str(whole_run.folder)}
    assert not [line for line in lines if line["type"] in ("stage", "trainer")]
    assert len(scripted_teacher.seen) == asked
    after = whole_run.report
    volatile = {"cost", "seconds"}
    assert {k: v for k, v in after.items() if k not in volatile} == {
        k: v for k, v in before.items() if k not in volatile
    }
    assert after["cost"]["calls"] == before["cost"]["calls"]


def test_other_settings_on_the_same_folder_are_refused(whole_run: Run, tmp_path: Path) -> None:
    config = yaml.safe_load(whole_run.config.read_text())
    config["student"]["learning_rate"] = 0.001
    done = pada("run", write_config(tmp_path / "other.yaml", config), "--output", whole_run.folder)
    assert done.returncode == 1
    assert "student.learning_rate was 0.003, is 0.001" in done.stderr
    assert "Traceback" not in done.stderr


def test_report_is_shown_again(whole_run: Run) -> None:
    page = (whole_run.folder / "report.html").read_text()
    (whole_run.folder / "report.html").unlink()
    done = pada("report", whole_run.folder)
    assert done.returncode == 0, done.stderr
    assert (whole_run.folder / "report.html").read_text() == page
    assert done.stdout.splitlines()[-1] == str(whole_run.folder)
    assert pada("report", whole_run.folder / "data").returncode == 1


def test_graph_shows_every_node_and_the_way_back(whole_run: Run) -> None:
    drawn = pada("graph").stdout
    names = (
        "fine_tune evaluate gate analyze_errors find_patterns draft_strategies review allocate augment "
        "generate check_quality accept review_rows finish"
    )
    for name in names.split():
        assert name in drawn, name
    edges = [line for line in drawn.splitlines() if "check_quality" in line.split("-", 1)[0]]
    assert any(line.rstrip(" ;").endswith("generate") for line in edges), drawn


def test_vanilla_needs_no_teacher_and_two_processes_cannot_share_a_run(
    tmp_path: Path, student: Path, data: Path, whole_run: Run
) -> None:
    config = write_config(
        tmp_path / "plain.yaml", config_for(data, student, None, loop={"method": "vanilla"})
    )
    first = start("run", config, "--output", tmp_path / "run")
    while not (tmp_path / "run" / "events.jsonl").exists():
        assert first.poll() is None
    second = pada("run", config, "--output", tmp_path / "run")
    assert second.returncode == 1
    assert "another process is running this run" in second.stderr
    assert first.wait(timeout=120) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (report["status"], report["method"], len(report["rounds"])) == ("finished", "vanilla", 1)
    assert report["cost"]["calls"] == 0
    assert report["test"]["baseline"] == report["test"]["best"]
    # the same rows, seed and student as the whole run's baseline
    assert report["baseline"] == whole_run.report["baseline"]
    assert report["test"]["baseline"] == whole_run.report["test"]["baseline"]
