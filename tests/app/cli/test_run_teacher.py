"""What a whole run asks its teacher, and what it never shows it."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.command import CANARY
from tests.conftest import Run
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import request_of, rows

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


def test_cost_is_what_the_server_counted(whole_run: Run, scripted_teacher: ScriptedTeacherServer) -> None:
    calls = scripted_teacher.of_run(whole_run.report["run_id"])
    cost = whole_run.report["cost"]
    assert cost["calls"] == len(calls)
    assert (cost["prompt_tokens"], cost["completion_tokens"]) == (100 * len(calls), 20 * len(calls))
    assert len({call.hash for call in calls}) == len(calls), "a request was paid for twice"
    by_role = {role: int(share["calls"]) for role, share in cost["by_role"].items()}
    schemas = Counter(call.schema for call in calls)
    assert by_role["generator"] == schemas["SampleBatch"]
    assert by_role["judge"] == schemas["QualityReport"]


def test_requests_keep_to_the_wire(whole_run: Run, scripted_teacher: ScriptedTeacherServer) -> None:
    for call in scripted_teacher.of_run(whole_run.report["run_id"]):
        assert set(call.data) >= DATA_KEYS[call.schema]
        assert call.authorization == f"Bearer {CANARY}"
        body = json.loads(call.text)
        assert body["response_format"]["type"] == "json_schema"
    train = {(row["prompt"], row["completion"]) for row in rows("train")}
    for_writer = {(request_of(prompt), completion) for prompt, completion in train}
    for call in scripted_teacher.of_run(whole_run.report["run_id"]):
        known = for_writer if call.schema == "SampleBatch" else train
        for shown in call.data.get("examples", []):
            assert (shown["prompt"], shown["completion"]) in known


def test_no_test_row_reaches_a_teacher_and_no_validation_row_the_writer(
    whole_run: Run, scripted_teacher: ScriptedTeacherServer
) -> None:
    test = [request_of(row["prompt"]) for row in rows("test")]
    validation = [request_of(row["prompt"]) for row in rows("validation")]
    seen = Counter(call.schema for call in scripted_teacher.of_run(whole_run.report["run_id"]))
    assert min(seen["SampleBatch"], seen["QualityReport"], seen["ErrorAnalysis"]) > 0
    for call in scripted_teacher.of_run(whole_run.report["run_id"]):
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
