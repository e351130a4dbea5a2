"""The report of a run that went through the loop with stand-ins: what other programs find in `report.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.config.run_config import RunConfig
from app.report.build import Outcome, ReportedRun, build_report
from app.report.write import write_report
from graphs.artifacts import DataInputs, DataReport
from graphs.person_rows import add
from graphs.rows import Decision
from tests.app.engine.rows_of_people import LEAK, NEW
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import Loop, new_loop
from trainer.artifacts import read_json, read_jsonl, write_json

ROWS = {"train": 40, "validation": 40, "test": 40}


def reported(loop: Loop) -> ReportedRun:
    """The loop's run, with the data report that the harness does not write."""
    inputs = DataInputs(task="classification", seed=7, limit={}, files={})
    data = DataReport(rows=ROWS, rows_in_files=ROWS, inputs=inputs, test_rows="Read for the checks only.")
    write_json(loop.paths.data_report, data)
    config = RunConfig.model_validate(
        {
            "task": "classification",
            "data": "rows",
            "loop": loop.loop,
            "seed": 7,
            "student": {"model": "small"},
        }
    )
    return ReportedRun(loop.paths, config, "run-1")


def written(loop: Loop, outcome: Outcome) -> dict[str, Any]:
    """`report.json` as another program reads it."""
    write_report(build_report(reported(loop), outcome, None, {"fine_tune": 1.5}), loop.paths)
    document: dict[str, Any] = read_json(loop.paths.report)
    return document


async def test_a_finished_run_has_all_parts_of_the_report(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1)
    state, _ = await loop.go({})
    report = written(loop, Outcome("finished", state["stopped"]))
    assert (report["run_id"], report["status"], report["stopped"]) == ("run-1", "finished", state["stopped"])
    assert report["accepted"] == state["accepted"] > 0
    assert report["test"]["n"] == 40
    assert report["data"] == read_json(loop.paths.data_report)
    assert report["test_access"] == list(read_jsonl(loop.paths.test_access)) != []
    assert report["teacher"] == {"stand_in": False}
    assert report["minimal_detectable_effect"]["n"] == ROWS["validation"]
    assert list(report["minimal_detectable_effect"]) == ["value", "n", "power", "assumption"]


async def test_what_the_report_keeps_of_the_trainers_report(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, method="vanilla")
    await loop.go({})
    (baseline,) = written(loop, Outcome("finished", "Done."))["rounds"]
    full = read_json(loop.paths.round(0).train_report)
    keys = [
        "rows", "steps", "samples_per_second", "device", "dtype", "over_long", "warnings", "out_of_memory",
        "resumed_from", "loss", "seconds",
    ]  # fmt: skip
    assert list(baseline["trainer"]) == keys
    assert baseline["trainer"] == {key: full[key] for key in keys}
    assert baseline["train_rows"] == ROWS["train"]


async def test_a_pattern_has_its_rows_and_outcomes(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1)
    await loop.go({})
    _, first = written(loop, Outcome("finished", "Done."))["rounds"]
    rows = loop.written(1)
    assert sum(first["verdicts"].values()) == len(rows)
    for pattern in first["patterns"]:
        own = [row for row in rows if row.pattern == pattern["id"]]
        assert pattern["accepted"] + pattern["rejected"] == len(own)
        assert pattern["fixed"] + pattern["unmoved"] + pattern["regressed"] == pattern["size"]
        assert [error["id"] for error in pattern["errors"]] == pattern["failures"][:3]


def test_before_the_first_student_is_judged_the_report_is_empty(tmp_path: Path) -> None:
    report = written(new_loop(tmp_path), Outcome("failed", "The trainer stopped."))
    assert (report["rounds"], report["baseline"], report["best"], report["test"]) == ([], {}, {}, None)
    assert (report["test_access"], report["spending"], report["cost"]["calls"]) == ([], [], 0)
    assert report["seconds"] == {"fine_tune": 1.5}


def content(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """A judge without low marks: which batch gets one depends on the order in which people add rows."""
    marks = dict.fromkeys(("adherence", "utility", "relevance"), 8)
    return reply | marks if schema == "QualityReport" else reply


async def test_rows_of_people_are_counted(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, ScriptedTeacher(change=content), rounds=1)
    unchecked = Decision(verdict="waiting", reason="")
    add(loop.paths, NEW["prompt"], NEW["completion"], unchecked, None)
    add(loop.paths, LEAK["prompt"], LEAK["completion"], unchecked, None)
    await loop.until("accept")
    add(loop.paths, f"{NEW['prompt']} Again?", "refund", unchecked, None)
    state, _ = await loop.go()
    report = written(loop, Outcome("finished", state["stopped"]))
    assert [item["by_people"] for item in report["rounds"]] == [{}, {"accepted": 1, "leak": 1}]
    assert report["rows_waiting"] == 1
    page = loop.paths.html.read_text()
    assert "Round 1: people added 2 rows of these; 1 accepted." in page
    assert "1 row that people added waits for a round; no student was trained on it." in page
