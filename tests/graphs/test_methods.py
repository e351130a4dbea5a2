"""The methods on the same graph: what each asks the teacher for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.graphs.loop_harness import Loop, new_loop, read_rows, with_train_failures, wrong
from tests.tiny_task import request_of
from trainer.artifacts import read_jsonl, write_jsonl

ERRORS = ["llms_as_instructors", "llms_as_instructors_contrast", "llm2llm"]


def schemas(loop: Loop) -> set[str]:
    return {schema for _, schema, _ in loop.teacher.calls}


def shown(loop: Loop, ids: set[str]) -> list[dict[str, Any]]:
    """Training rows as a writer sees them."""
    train = read_jsonl(loop.paths.data("train"))
    return [
        {"prompt": request_of(r["prompt"]), "completion": r["completion"]} for r in train if r["id"] in ids
    ]


async def test_random_rows_have_no_guidance(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, method="random", rounds=2, synthetic_per_round=12)
    state, ended = await loop.go({})
    assert state["round"] == 2
    assert not {"analyze_errors", "find_patterns", "draft_strategies"} & set(ended)
    assert schemas(loop) == {"SampleBatch", "QualityReport"}
    train = shown(loop, {f"train-{n}" for n in range(40)})
    drawn = []
    for data in loop.teacher.asked("SampleBatch"):
        assert data["strategy"] is data["error"] is data["right"] is data["original"] is None
        assert all(example in train for example in data["examples"])
        drawn.append(str(data["examples"]))
    assert len(set(drawn)) > 1, "not every batch sees the same rows"
    assert {(c.origin, c.pattern, c.source) for c in loop.written(1)} == {("task", None, None)}
    assert [sum(b["count"] for b in read_rows(loop, n, "batches")) for n in (1, 2)] == [12, 12]


async def test_random_does_not_predict_train(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, method="random", rounds=1)
    await loop.go({})
    assert not loop.paths.round(0).predictions("train").exists()


async def test_auggpt_says_every_training_row_in_other_words_before_any_again(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, method="auggpt", rounds=2, synthetic_per_round=30)
    await loop.go({})
    first, second = ([b["source"] for b in read_rows(loop, n, "batches")] for n in (1, 2))
    assert len(set(first)) == len(first) == 30
    assert len(set(second)) == len(second) == 30
    assert set(first) | set(second) == {f"train-{n}" for n in range(40)}
    assert set(second[:10]).isdisjoint(first)
    by_prompt = {request_of(row["prompt"]): row["id"] for row in read_jsonl(loop.paths.data("train"))}
    asked = loop.teacher.asked("SampleBatch")
    assert {by_prompt[data["original"]["prompt"]] for data in asked} == set(first) | set(second)
    assert all(data["examples"] == [data["original"]] for data in asked)
    assert schemas(loop) == {"SampleBatch", "QualityReport"}


async def test_auggpt_goes_over_few_rows_several_times(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, method="auggpt", rounds=1, synthetic_per_round=100)
    await loop.go({})
    counts: Counter[str] = Counter()
    for batch in read_rows(loop, 1, "batches"):
        counts[batch["source"]] += batch["count"]
    assert sorted(counts.values()) == [2] * 20 + [3] * 20


@pytest.mark.parametrize("method", ERRORS)
async def test_rows_for_training_errors_alone(tmp_path: Path, method: str) -> None:
    loop = with_train_failures(new_loop(tmp_path, method=method, rounds=2, synthetic_per_round=24))
    await loop.go({})
    assert wrong(loop, 0)
    for number in (1, 2):
        batches = read_rows(loop, number, "batches")
        assert {batch["source"] for batch in batches} == wrong(loop, number - 1)
        assert {batch["origin"] for batch in batches} == {"train_error"}
    assert schemas(loop) == {"SampleBatch", "QualityReport"}
    given = {f"train-{n}" for n in range(40)}
    assert all(row["id"] in given for row in read_jsonl(loop.paths.round(1).train_sample)), (
        "errors on new rows are nobody's business"
    )


async def test_llm2llm_writes_one_row_for_each_error(tmp_path: Path) -> None:
    loop = with_train_failures(new_loop(tmp_path, method="llm2llm", rounds=1, synthetic_per_round=24))
    await loop.go({})
    assert 0 < len(wrong(loop, 0)) < 24
    assert [batch["count"] for batch in read_rows(loop, 1, "batches")] == [1] * len(wrong(loop, 0))


async def test_instructors_fill_the_budget_from_few_errors(tmp_path: Path) -> None:
    loop = with_train_failures(
        new_loop(tmp_path, method="llms_as_instructors", rounds=1, synthetic_per_round=24)
    )
    await loop.go({})
    assert len(wrong(loop, 0)) < 24
    assert sum(batch["count"] for batch in read_rows(loop, 1, "batches")) == 24
    assert all(data["right"] is None for data in loop.teacher.asked("SampleBatch"))


async def test_by_contrast_rows_that_the_student_gets_right_are_shown(tmp_path: Path) -> None:
    loop = with_train_failures(new_loop(tmp_path, method="llms_as_instructors_contrast", rounds=1))
    await loop.go({})
    right = shown(loop, {f"train-{n}" for n in range(40)} - wrong(loop, 0))
    asked = loop.teacher.asked("SampleBatch")
    assert all(len(data["right"]) == 3 for data in asked)
    assert all(row in right for data in asked for row in data["right"])
    assert all(data["right"] for data in loop.teacher.asked("QualityReport")), "the judge knows it too"


@pytest.mark.parametrize("method", ERRORS)
async def test_without_training_errors_there_is_nothing_to_do(tmp_path: Path, method: str) -> None:
    loop = new_loop(tmp_path, method=method)
    # two rows that differ in every word
    write_jsonl(
        loop.paths.data("train"),
        [
            {"id": "a", "prompt": "parcel courier", "completion": "delivery"},
            {"id": "b", "prompt": "money repay", "completion": "refund"},
        ],
    )
    state, _ = await loop.go({})
    assert state["stopped"] == "The student makes no training errors."
    assert loop.teacher.calls == []
