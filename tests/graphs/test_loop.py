"""The compiled graph with real nodes, tasks, checks, clustering and checkpoints; only teacher and student are stand-ins."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graphs.errors import EndpointDown, LoopError, RunPaused
from graphs.workspace import Workspace
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import new_loop, read_rows, with_train_failures, wrong
from tests.tiny_task import KEYS, label_of, rows
from trainer.artifacts import read_json, read_jsonl, write_jsonl


async def test_two_rounds_from_start_to_finish(tmp_path: Path) -> None:
    # clusters differ a little between processors, and so does the gain: enough rows to show a small one
    loop = new_loop(tmp_path, validation=160, test=400)
    state, ended = await loop.go({})
    order = [name for place, name in enumerate(ended) if place == 0 or ended[place - 1] != name]
    one_round = [
        "fine_tune", "evaluate", "gate", "analyze_errors", "find_patterns", "draft_strategies", "review", "allocate",
        "augment", "accept", "review_rows",
    ]  # fmt: skip
    assert order == [*one_round, *one_round, "fine_tune", "evaluate", "gate", "finish"]
    assert state["round"] == 2
    assert state["stopped"] == "All 2 rounds are done."
    written = sum(len(loop.written(number)) for number in (1, 2))
    assert (
        state["candidates"] == written == sum(data["count"] for data in loop.teacher.asked("SampleBatch"))
    ), "the scripted teacher writes as many rows as it is asked for, and none gets lost"
    assert state["accepted"] == len(read_rows(loop, 1, "accepted")) + len(read_rows(loop, 2, "accepted"))
    test = read_json(loop.paths.final / "test.json")
    assert test["best"] > test["baseline"]
    assert test["verdict"] == "improved"
    assert test["best_round"] == state["best_round"]


async def test_training_is_on_the_given_rows_and_all_accepted_ones(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    await loop.go({})
    assert [len(spec.train) for spec in loop.student.trained] == [1, 2, 3]
    assert all(spec.adapter is None for spec in loop.student.trained), "each round starts from the base model"
    assert [[file.name for file in spec.predict] for spec in loop.student.trained] == [
        ["validation", "train"],
        ["validation", "train"],
        ["validation"],
    ]
    guarded = {loop.paths.data("validation"), loop.paths.data("test")}
    assert not guarded & {path for spec in loop.student.trained for path in spec.train}


async def test_the_patterns_are_those_of_the_gap(tmp_path: Path) -> None:
    """Train lacks the third and fourth key word of each label."""
    loop = new_loop(tmp_path)
    await loop.go({})
    lacking = {key for keys in KEYS.values() for key in keys[2:]}
    named = " ".join(pattern["description"] for pattern in read_rows(loop, 1, "patterns"))
    assert sum(f"`{key}`" in named for key in lacking) >= 6
    assert {name for p in read_rows(loop, 1, "patterns") for name in p["failures"]} == {
        score["id"] for score in read_jsonl(loop.paths.round(0).scores("validation")) if not score["correct"]
    }


async def test_roles(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1)
    await loop.go({})
    roles = {(schema, role) for role, schema, _ in loop.teacher.calls}
    assert roles == {
        ("ErrorAnalysis", "analyst"),
        ("FailurePattern", "analyst"),
        ("AugmentationStrategy", "analyst"),
        ("SampleBatch", "generator"),
        ("QualityReport", "judge"),
    }


async def test_without_patterns_all_rows_are_for_training_errors(tmp_path: Path) -> None:
    loop = with_train_failures(new_loop(tmp_path, patterns=False, rounds=1, synthetic_per_round=8))
    await loop.go({})
    assert {schema for _, schema, _ in loop.teacher.calls} == {"SampleBatch", "QualityReport"}
    assert {c.source for c in loop.written(1)} == wrong(loop, 0)
    assert {c.origin for c in loop.written(1)} == {"train_error"}


async def test_without_training_errors_all_rows_are_for_patterns(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, train_errors=False, rounds=1)
    await loop.go({})
    assert not loop.paths.round(0).predictions("train").exists()
    assert {c.origin for c in loop.written(1)} == {"pattern"}
    assert all(data["error"] is None for data in loop.teacher.asked("SampleBatch"))
    assert sum(batch["count"] for batch in read_rows(loop, 1, "batches")) == 24


async def test_without_a_judge_the_free_checks_stay(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, qc=False, rounds=1, synthetic_per_round=60)
    await loop.go({})
    assert loop.teacher.asked("QualityReport") == []
    verdicts = Counter(c.verdict for c in loop.written(1))
    assert verdicts["invalid"] > 0
    accepted = [c for c in loop.written(1) if c.verdict == "accepted"]
    assert any(label_of(c.prompt) != c.completion for c in accepted), "only a judge knows the wrong labels"
    assert all(c.judge is None for c in accepted)


async def test_vanilla_asks_nobody(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, method="vanilla")
    state, ended = await loop.go({})
    assert ended == ["fine_tune", "evaluate", "gate", "finish"]
    assert loop.teacher.calls == []
    assert [file.name for spec in loop.student.trained for file in spec.predict] == ["validation"]
    assert "Plain fine-tuning" in state["stopped"]
    assert len(loop.student.predicted) == 1, "baseline and best are one student"


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


async def test_a_student_without_errors_ends_the_loop(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    known = [row | {"id": f"v{n}", "prompt": row["prompt"]} for n, row in enumerate(rows("train"))]
    write_jsonl(loop.paths.data("validation"), known)
    state, ended = await loop.go({})
    assert state["stopped"] == "The student makes no validation errors."
    assert ended == ["fine_tune", "evaluate", "gate", "finish"]
    assert loop.teacher.calls == []


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


async def test_checkpoints_stay_small_with_many_failures(tmp_path: Path) -> None:
    """200 analysed errors: ids and counts are in the state, rows and texts are not."""
    loop = new_loop(tmp_path, validation=600, rounds=1, max_analyses=200)
    state, _ = await loop.go({})
    assert len(loop.teacher.asked("ErrorAnalysis")) == 200
    with sqlite3.connect(loop.paths.checkpoints) as database:
        (largest,) = database.execute("SELECT max(length(checkpoint)) FROM checkpoints").fetchone()
        stored = b"".join(
            row[0]
            for row in database.execute(
                "SELECT checkpoint FROM checkpoints UNION ALL SELECT value FROM writes"
            )
        )
    assert largest < 64 * 1024
    assert len(json.dumps(state)) < 16 * 1024
    for row in rows("validation", 600)[:50]:
        assert row["prompt"].splitlines()[1].encode() not in stored


async def test_test_rows_are_opened_for_comparison_and_for_the_end_only(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    with pytest.raises(ValueError, match="sealed"):
        Workspace(None, None, None, None, loop.loop, loop.paths).examples("test")  # type: ignore[arg-type]
    await loop.go({})
    reasons = [line["reason"] for line in read_jsonl(loop.paths.test_access)]
    assert len(reasons) == 2
    assert "scored" in reasons[1]
    asked = json.dumps([data for _, _, data in loop.teacher.calls])
    assert not any(json.dumps(row["prompt"])[1:-1] in asked for row in rows("test"))


async def test_a_worse_student_is_not_promoted_and_not_scored_as_best(tmp_path: Path) -> None:
    """A writer of wrong labels, and nobody to judge them."""

    def liar(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        if schema != "SampleBatch":
            return reply
        labels = sorted(KEYS)
        wrong = [labels[(labels.index(label_of(s["prompt"])) + 1) % 4] for s in reply["samples"]]
        return {
            "samples": [s | {"completion": label} for s, label in zip(reply["samples"], wrong, strict=True)]
        }

    loop = new_loop(tmp_path, ScriptedTeacher(liar), qc=False, rounds=3, patience=2, synthetic_per_round=60)
    state, _ = await loop.go({})
    assert state["best_round"] == 0
    assert state["stopped"] == "No student was promoted in 2 rounds (patience 2)."
    assert len(loop.student.predicted) == 1
    gate = read_json(loop.paths.round(1).gate)
    assert gate["promoted"] is False
    assert gate["reason"].startswith("The score is not higher")
    before = {s["id"]: s["correct"] for s in read_jsonl(loop.paths.round(0).scores("validation"))}
    after = {s["id"]: s["correct"] for s in read_jsonl(loop.paths.round(1).scores("validation"))}
    assert gate["broken"] == [name for name in before if before[name] and not after[name]]
    assert gate["fixed"] == [name for name in before if after[name] and not before[name]]
