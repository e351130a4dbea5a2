"""`pada run` as a real process: the real trainer and embedder, a tiny student, and a teacher over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphs.report import Report
from tests.command import CANARY, pada, start
from tests.conftest import Run
from tests.scripted_teacher_server import ScriptedTeacherServer, answer
from tests.tiny_task import config_for, label_of, request_of, rows, write_config

pytestmark = pytest.mark.student

DATA_KEYS = {
    "TaskDescription": {"task", "answers", "examples"},
    "ErrorAnalysis": {"task", "prompt", "expected", "predicted", "score"},
    "FailurePattern": {"analyses"},
    "AugmentationStrategy": {"pattern", "examples"},
    "SampleBatch": {"strategy", "error", "examples", "count", "feedback", "previous"},
    "QualityReport": {"strategy", "error", "examples", "samples"},
}
"""What other programs that play the teacher rely on."""


def asked_in(run: Run, scripted_teacher: ScriptedTeacherServer) -> list[Any]:
    return scripted_teacher.of_run(run.report["run_id"])


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
    for request in asked_in(whole_run, scripted_teacher):
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


def test_cost_is_what_the_server_counted(whole_run: Run, scripted_teacher: ScriptedTeacherServer) -> None:
    calls = asked_in(whole_run, scripted_teacher)
    cost = whole_run.report["cost"]
    assert cost["calls"] == len(calls)
    assert (cost["prompt_tokens"], cost["completion_tokens"]) == (100 * len(calls), 20 * len(calls))
    assert len({call.hash for call in calls}) == len(calls), "a request was paid for twice"
    by_role = {role: int(share["calls"]) for role, share in cost["by_role"].items()}
    schemas = Counter(call.schema for call in calls)
    assert by_role["generator"] == schemas["SampleBatch"]
    assert by_role["judge"] == schemas["QualityReport"]


def test_requests_keep_to_the_wire(whole_run: Run, scripted_teacher: ScriptedTeacherServer) -> None:
    for call in asked_in(whole_run, scripted_teacher):
        assert set(call.data) >= DATA_KEYS[call.schema]
        assert call.authorization == f"Bearer {CANARY}"
        body = json.loads(call.text)
        assert body["response_format"]["type"] == "json_schema"
    train = {(row["prompt"], row["completion"]) for row in rows("train")}
    for_writer = {(request_of(prompt), completion) for prompt, completion in train}
    for call in asked_in(whole_run, scripted_teacher):
        known = for_writer if call.schema == "SampleBatch" else train
        for shown in call.data.get("examples", []):
            assert (shown["prompt"], shown["completion"]) in known


def test_no_test_row_reaches_a_teacher_and_no_validation_row_the_writer(
    whole_run: Run, scripted_teacher: ScriptedTeacherServer
) -> None:
    test = [request_of(row["prompt"]) for row in rows("test")]
    validation = [request_of(row["prompt"]) for row in rows("validation")]
    seen = Counter(call.schema for call in asked_in(whole_run, scripted_teacher))
    assert min(seen["SampleBatch"], seen["QualityReport"], seen["ErrorAnalysis"]) > 0
    for call in asked_in(whole_run, scripted_teacher):
        assert not any(text in call.text for text in test)
        if call.schema != "ErrorAnalysis":
            assert not any(text in call.text for text in validation), call.schema


def test_no_row_of_validation_or_test_is_trained_on(whole_run: Run) -> None:
    guarded = {row["prompt"] for split in ("validation", "test") for row in rows(split)}
    for number in (1, 2):
        assert not guarded & {row["prompt"] for row in whole_run.rows(f"rounds/{number}/accepted.jsonl")}


def test_each_opening_of_the_test_rows_is_written_down(whole_run: Run) -> None:
    reasons = [line["reason"] for line in whole_run.rows("test_access.jsonl")]
    assert len(reasons) == 3
    assert "checked" in reasons[0]
    assert "compared with new rows" in reasons[1]
    assert "scored" in reasons[2]
    assert [line["reason"] for line in whole_run.report["test_access"]] == reasons


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


class Story:
    """One run that is stopped in many ways: each step is one start of a command, done once for all tests."""

    def __init__(self, folder: Path, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer):
        self.folder, self.scripted_teacher = folder / "run", scripted_teacher
        self._file = folder / "config.yaml"
        self._data, self._student = data, student
        self.steps: dict[str, tuple[subprocess.CompletedProcess[str], int, dict[str, Any]]] = {}
        self.accepted: dict[str, Any] = {}
        self.judged: dict[str, Any] = {}

    def config(self, **budget: int) -> Path:
        """The config with this budget; everything else stays."""
        loop = {"rounds": 1, "review": True, "max_train_failures": 40}
        return write_config(
            self._file,
            config_for(self._data, self._student, self.scripted_teacher.url, loop=loop, budget=budget),
        )

    def step(self, name: str, *arguments: object) -> None:
        """Start a command, and keep how it ended, how many calls there were so far, and the report."""
        done = pada(*arguments)
        run = json.loads((self.folder / "report.json").read_text())
        self.steps[name] = done, len(self.scripted_teacher.of_run(run["run_id"])), run

    def rows(self, verdict: str) -> list[dict[str, Any]]:
        """The rows of the round with this verdict."""
        lines = (self.folder / "rounds/1/rows.jsonl").read_text().splitlines()
        return [row for row in map(json.loads, lines) if row["verdict"] == verdict]

    def run(self, name: str, **budget: int) -> None:
        self.step(name, "run", self.config(**budget), "--output", self.folder)


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory,
    student: Path,
    data: Path,
    scripted_teacher: ScriptedTeacherServer,
) -> Story:
    told = Story(tmp_path_factory.mktemp("story"), data, student, scripted_teacher)
    told.run("no budget", max_calls=0)
    shutil.copytree(told.folder, told.folder.with_name("baseline"))
    told.run("small budget", max_calls=10)
    told.run("review")
    told.step("shown", "review", told.folder)
    told.run("still waiting")
    vetoed = told.steps["shown"][0].stdout.split()[0]
    scripted_teacher.fault = lambda schema, data: server_error() if schema == "SampleBatch" else None
    told.step("down", "review", told.folder, "--veto", vetoed, "--approve")
    scripted_teacher.fault = lambda schema, data: None
    told.run("rows")
    told.step("rows shown", "review", told.folder)
    told.accepted, told.judged = (told.rows(verdict)[0] for verdict in ("accepted", "judge"))
    told.step("wrong", "review", told.folder, "--veto", vetoed)
    told.step("end", "review", told.folder, "--reject", told.accepted["id"], "--accept", told.judged["id"])
    return told


def server_error() -> Any:
    from fastapi.responses import JSONResponse

    return JSONResponse({"error": {"message": "overloaded", "type": "server_error"}}, 503)


def test_without_budget_it_pauses_after_the_baseline(story: Story) -> None:
    done, calls, report = story.steps["no budget"]
    assert done.returncode == 3
    assert calls == 0
    assert report["status"] == "paused"
    assert [item["round"] for item in report["rounds"]] == [0]
    assert report["test"] is None
    assert "budget.max_calls" in done.stdout
    assert done.stdout.splitlines()[-1] == str(story.folder)


def test_at_the_cap_it_pauses_and_never_passes_it(story: Story) -> None:
    done, calls, report = story.steps["small budget"]
    assert done.returncode == 3
    assert calls == report["cost"]["calls"] == 10
    assert "budget.max_calls" in report["stopped"]


def test_a_raised_cap_goes_on_to_the_review(story: Story) -> None:
    done, _, report = story.steps["review"]
    assert done.returncode == 3
    assert "pada review" in report["stopped"]
    run = story.scripted_teacher.of_run(report["run_id"])
    assert not [call for call in run[: story.steps["review"][1]] if call.schema == "SampleBatch"]


def test_review_shows_patterns_and_strategies(story: Story) -> None:
    done, calls, _ = story.steps["shown"]
    assert done.returncode == 0, done.stderr
    assert calls == story.steps["review"][1]
    assert "r1-p0  Unknown words for" in done.stdout
    assert "--approve" in done.stdout


def test_without_an_answer_it_goes_on_waiting(story: Story) -> None:
    done, calls, _ = story.steps["still waiting"]
    assert done.returncode == 3
    assert calls == story.steps["review"][1]


def test_a_teacher_that_is_down_pauses_the_run(story: Story) -> None:
    done, _, report = story.steps["down"]
    assert done.returncode == 3
    assert report["status"] == "paused"
    assert "overloaded" in report["stopped"] or "503" in report["stopped"]
    assert "Traceback" not in done.stderr


def test_after_all_that_it_ends_and_nothing_was_paid_twice(story: Story) -> None:
    done, _, report = story.steps["end"]
    assert done.returncode == 0, done.stderr
    assert report["status"] == "finished"
    assert report["test"]["n"] == 40
    asked = [c for c in story.scripted_teacher.of_run(report["run_id"]) if c.sent is not None]
    assert len({call.hash for call in asked}) == len(asked) == report["cost"]["calls"]


def test_a_vetoed_pattern_gets_no_rows(story: Story) -> None:
    _, _, report = story.steps["end"]
    vetoed, *others = report["rounds"][1]["patterns"]
    assert vetoed["id"] == story.steps["shown"][0].stdout.split()[0]
    assert (vetoed["planned"], vetoed["accepted"], vetoed["rejected"]) == (0, 0, 0)
    assert others
    assert sum(pattern["planned"] for pattern in others) == 12
    assert all(pattern["accepted"] for pattern in others)


def test_review_shows_the_rows_to_decide_on(story: Story) -> None:
    paused, calls, report = story.steps["rows"]
    assert paused.returncode == 3
    assert "rejected) wait for a review" in report["stopped"]
    done, then, _ = story.steps["rows shown"]
    assert done.returncode == 0, done.stderr
    assert then == calls
    lines = done.stdout.splitlines()
    for row, verdict in ((story.accepted, "accepted"), (story.judged, "judge")):
        (line,) = (line for line in lines if row["id"] in line.split())
        assert {verdict, row["completion"], row["pattern"] or row["source"]} <= set(line.split())
        assert row["prompt"].splitlines()[1].split()[1] in line
    assert not any(row["id"] in done.stdout for row in story.rows("invalid"))
    assert "that nobody can accept are not shown (invalid)" in done.stdout
    assert "--reject ID" in done.stdout


def test_an_answer_to_another_review_is_refused_at_once(story: Story) -> None:
    done, calls, report = story.steps["wrong"]
    assert done.returncode == 1
    assert "answer: The review is about rows: it takes accept, reject, not veto." in done.stderr
    assert "Traceback" not in done.stderr
    assert (calls, report) == story.steps["rows"][1:]


def test_the_report_counts_what_the_reviewer_decided(story: Story) -> None:
    _, _, report = story.steps["end"]
    _, reviewed = report["rounds"]
    assert [row["id"] for row in story.rows("reviewer")] == [story.accepted["id"]]
    assert reviewed["verdicts"]["reviewer"] == reviewed["accepted_by_reviewer"] == 1
    assert report["accepted"] == reviewed["accepted"] == len(story.rows("accepted"))
    assert reviewed["train_rows"] == 40 + reviewed["accepted"]
    assert story.judged["id"] in {row["id"] for row in story.rows("accepted")}
    page = (story.folder / "report.html").read_text()
    assert "a reviewer accepted 1 row that the checks had rejected" in page


def test_finish_scores_what_there_is(story: Story) -> None:
    """On a copy of the run as it was after the baseline."""
    folder = story.folder.with_name("baseline")
    calls = len(story.scripted_teacher.seen)
    done = pada("run", story.config(max_calls=0), "--output", folder, "--finish")
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == "finished"
    assert "finish" in report["stopped"]
    assert (
        report["test"]["baseline"]
        == report["test"]["best"]
        == pytest.approx(story.steps["end"][2]["test"]["baseline"])
    )
    assert report["test"]["difference"] == 0
    assert len(story.scripted_teacher.seen) == calls


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
