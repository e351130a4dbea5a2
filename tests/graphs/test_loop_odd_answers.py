"""The loop with teachers that are never content, write too much, copy, or fail; and one that pauses in the middle."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graphs.errors import EndpointDown, LoopError, RunPaused
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import new_loop, read_rows
from tests.tiny_task import rows
from trainer.artifacts import read_json


async def test_a_judge_that_is_never_content(tmp_path: Path) -> None:
    def strict(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        return reply | {"adherence": 1, "rejected": []} if schema == "QualityReport" else reply

    loop = new_loop(tmp_path, ScriptedTeacher(strict), qc_threshold=8, max_attempts=2, patience=1)
    state, _ = await loop.go({})
    batches = read_rows(loop, 1, "batches")
    assert len(loop.teacher.asked("SampleBatch")) == 2 * len(batches)
    assert state["accepted"] == 0
    assert {c.attempt for c in loop.written(1)} == {1, 2}
    verdicts = {(c.attempt, c.verdict) for c in loop.written(1)} - {(1, "invalid"), (2, "invalid")}
    assert verdicts == {(1, "judge"), (2, "judge"), (2, "attempts")} or verdicts == {
        (1, "judge"),
        (2, "attempts"),
    }
    assert state["stopped"] == "No student was promoted in 1 round (patience 1)."
    assert state["best_round"] == 0
    again = [data for data in loop.teacher.asked("SampleBatch") if data["feedback"]]
    assert len(again) == len(batches)
    assert all(data["previous"] for data in again)


async def test_a_writer_that_writes_nothing_or_too_much(tmp_path: Path) -> None:
    turns = iter([0, 0] + [1] * 1000)

    def odd(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        if schema == "QualityReport":
            return reply | {"adherence": 9, "utility": 9, "relevance": 9, "rejected": []}
        if schema == "SampleBatch":
            more = data | {"count": 2 * data["count"]}
            from tests.scripted_teacher_server import answer

            return {"samples": answer(schema, more)["samples"] if next(turns) else []}
        return reply

    loop = new_loop(tmp_path, ScriptedTeacher(odd), rounds=1)
    state, _ = await loop.go({})
    assert state["accepted"] <= 24
    per_batch = Counter(c.batch for c in loop.written(1) if c.verdict == "accepted")
    planned = {batch["id"]: batch["count"] for batch in read_rows(loop, 1, "batches")}
    assert all(count <= planned[name] for name, count in per_batch.items())
    assert sum(per_batch.values()) >= 20
    assert Counter(c.verdict for c in loop.written(1))["surplus"] > 0


async def test_of_an_answer_with_thousands_of_rows_a_few_are_read(tmp_path: Path) -> None:
    """What is read is checked, judged for money and shown to the writer again."""

    def flood(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        return reply | {"samples": reply["samples"] * 1000} if schema == "SampleBatch" else reply

    loop = new_loop(tmp_path, ScriptedTeacher(flood), rounds=1)
    await loop.go({})
    counts = {batch["id"]: batch["count"] for batch in read_rows(loop, 1, "batches")}
    written = Counter((row.batch, row.attempt) for row in loop.written(1))
    assert all(counts[batch] < rows <= 2 * counts[batch] for (batch, _), rows in written.items())
    assert max(len(data["samples"]) for data in loop.teacher.asked("QualityReport")) <= 2 * max(
        counts.values()
    )


async def test_copies_between_batches_are_found_when_the_round_is_closed(tmp_path: Path) -> None:
    """Batches run side by side and do not see each other's rows."""
    prompt = (
        "Classify the request.\nRequest: courier brought seven amber kettles over the walnut bridge\nLabel:"
    )

    def same(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        return (
            {"samples": [{"prompt": prompt, "completion": "delivery"}]} if schema == "SampleBatch" else reply
        )

    loop = new_loop(tmp_path, ScriptedTeacher(same), rounds=1, qc=False, max_attempts=1)
    state, _ = await loop.go({})
    verdicts = Counter(c.verdict for c in loop.written(1))
    assert state["accepted"] == verdicts["accepted"] == 1
    assert verdicts["duplicate"] == len(read_rows(loop, 1, "batches")) - 1
    assert all(c.evidence for c in loop.written(1) if c.verdict == "duplicate")


async def test_a_copied_test_row_is_a_leak_with_its_match(tmp_path: Path) -> None:
    stolen = rows("test")[3]

    def thief(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        copied = {"prompt": stolen["prompt"], "completion": stolen["completion"]}
        return {"samples": [copied, *reply["samples"]]} if schema == "SampleBatch" else reply

    loop = new_loop(tmp_path, ScriptedTeacher(thief), rounds=1, qc=False, max_attempts=1)
    await loop.go({})
    leaked = [c for c in loop.written(1) if c.verdict == "leak"]
    assert leaked
    for candidate in leaked:
        assert candidate.evidence
        assert (candidate.evidence["split"], candidate.evidence["id"]) == ("test", stolen["id"])
    assert stolen["prompt"] not in {row["prompt"] for row in read_rows(loop, 1, "accepted")}


async def test_a_pause_in_the_middle_goes_on_in_a_new_process_and_ends_the_same(tmp_path: Path) -> None:
    """Branches that ended before the pause are not run again; the result is that of an undisturbed run."""
    plain = new_loop(tmp_path / "plain")
    expected, _ = await plain.go({})
    left = {"ErrorAnalysis": 7, "FailurePattern": 2, "SampleBatch": 6, "QualityReport": 9}

    def fails(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        left[schema] = left.get(schema, -1) - 1
        if left[schema] == 0:
            raise EndpointDown("down")
        return reply

    loop = new_loop(tmp_path / "paused", ScriptedTeacher(fails))
    start: Any = {}
    for schema in ("ErrorAnalysis", "FailurePattern", "SampleBatch", "QualityReport"):
        with pytest.raises(RunPaused):
            await loop.go(start)
        assert left[schema] <= 0
        start = None
    state, _ = await loop.go(None)
    assert state == expected
    for number in (1, 2):
        for name in ("rows", "accepted", "patterns", "batches"):
            assert read_rows(loop, number, name) == read_rows(plain, number, name), name
    assert read_json(loop.paths.final / "test.json") == read_json(plain.paths.final / "test.json")
    assert len(loop.student.trained) == 3


async def test_a_failure_of_the_teacher_stops_with_its_message_and_keeps_the_rest(tmp_path: Path) -> None:
    def fails(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        if schema == "AugmentationStrategy":
            raise LoopError("the key is wrong")
        return reply

    loop = new_loop(tmp_path, ScriptedTeacher(fails), rounds=1)
    with pytest.raises(LoopError, match="the key is wrong"):
        await loop.go({})
    analysed = len(loop.teacher.asked("ErrorAnalysis"))
    loop.teacher.change = None
    state, ended = await loop.go(None)
    assert state["stopped"]
    assert len(loop.teacher.asked("ErrorAnalysis")) == analysed
    assert "fine_tune" not in ended[: ended.index("draft_strategies")]
