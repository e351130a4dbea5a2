"""The compiled graph with real nodes, tasks, checks, clustering and checkpoints; only teacher and student are stand-ins."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from graphs.state import LoopState
from graphs.workspace import Workspace
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import THREAD, new_loop, read_rows, with_train_failures, wrong
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
    loop = new_loop(tmp_path, qc=False, rounds=1, synthetic_per_round=150)
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


async def test_a_student_without_errors_ends_the_loop(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    known = [row | {"id": f"v{n}", "prompt": row["prompt"]} for n, row in enumerate(rows("train"))]
    write_jsonl(loop.paths.data("validation"), known)
    state, ended = await loop.go({})
    assert state["stopped"] == "The student makes no validation errors."
    assert ended == ["fine_tune", "evaluate", "gate", "finish"]
    assert loop.teacher.calls == []


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


async def test_a_run_whose_state_has_a_field_of_an_earlier_version_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = new_loop(tmp_path, rounds=1)
    earlier = make_dataclass("LoopState", [("best_validation", float, 0.0)], bases=(LoopState,), kw_only=True)
    with monkeypatch.context() as patch:
        patch.setattr("graphs.loop.LoopState", earlier)
        await loop.until("analyze_errors")
        async with loop.graph() as graph:
            await graph.aupdate_state(THREAD, {"best_validation": 0.5}, as_node="gate")
            assert (await graph.aget_state(THREAD)).values["best_validation"] == 0.5
    state, ended = await loop.go()
    assert (ended[0], ended[-1]) == ("analyze_errors", "finish")
    assert state["stopped"] == "All 1 rounds are done."
    assert "best_validation" not in state


async def test_test_rows_are_opened_for_comparison_and_for_the_end_only(tmp_path: Path) -> None:
    loop, nobody = new_loop(tmp_path), cast(Any, None)
    with pytest.raises(ValueError, match="sealed"):
        Workspace(nobody, nobody, nobody, nobody, loop.loop, loop.paths).examples("test")
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
