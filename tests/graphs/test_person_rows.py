"""Rows that people add: kept apart, taken by one round, checked as all new rows are, and trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langgraph.errors import GraphRecursionError

from graphs.person_rows import PersonRow, add, all_rows, remove, row_id, take, taken, waiting
from graphs.rows import Decision, NewRow
from graphs.run_paths import RunPaths
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import Loop, new_loop, read_rows
from tests.tiny_task import AFTER, BEFORE, rows
from trainer.artifacts import read_jsonl

WRITTEN = f"{BEFORE}nobody could say where the repay of last autumn went{AFTER}"
LATER = f"{BEFORE}since then every chargeback is a riddle to us{AFTER}"
NOTHING = f"{BEFORE}the money is about nothing at all, as far as one knows{AFTER}"
UNCHECKED = Decision(verdict="waiting", reason="")


def added(paths: RunPaths, prompt: str, completion: str = "refund") -> PersonRow:
    return add(paths, prompt, completion, UNCHECKED, None)


def of_people(loop: Loop, round_number: int) -> list[NewRow]:
    return [row for row in loop.written(round_number) if row.origin == "person"]


def test_adding_a_row_twice_is_adding_it_once(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    first = added(paths, "Which?")
    assert added(paths, "Which?") == first
    assert added(paths, "Which?", "shipping").id != first.id == row_id("Which?", "refund")
    assert [row.id for row in all_rows(paths)] == [first.id, row_id("Which?", "shipping")]


def test_a_row_is_taken_by_one_round_whatever_is_killed_and_added(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    assert take(paths, 1) == []
    first = added(paths, "First?")
    assert take(paths, 1) == [first]
    second = added(paths, "Second?")
    assert take(paths, 1) == [first], "a start after a kill takes the same rows"
    assert waiting(paths) == [second]
    assert take(paths, 2) == [second]
    assert taken(paths) == {first.id: 1, second.id: 2}
    assert waiting(paths) == take(paths, 3) == []


def test_a_row_that_was_removed_is_not_taken(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    kept, gone = added(paths, "Kept?"), added(paths, "Gone?")
    remove(paths, gone.id)
    remove(paths, gone.id)
    assert take(paths, 1) == [kept]
    remove(paths, kept.id)
    assert take(paths, 1) == [kept], "the round has its own copy"


async def test_the_next_round_trains_on_it(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    row = added(loop.paths, WRITTEN)
    state, _ = await loop.go({})
    (found,) = of_people(loop, 1)
    assert (found.id, found.prompt, found.completion, found.verdict) == (
        row.id,
        row.prompt,
        "refund",
        "accepted",
    )
    assert (found.pattern, found.source, found.judge) == (
        None,
        None,
        {"adherence": 8, "utility": 8, "relevance": 8},
    )
    assert [each["id"] for each in read_rows(loop, 1, "accepted") if each["origin"] == "person"] == [row.id]
    assert of_people(loop, 2) == []
    asked = sum(data["count"] for data in loop.teacher.asked("SampleBatch"))
    assert asked == len(loop.written(1)) + len(loop.written(2)) - 1, "nobody is asked to write it"
    assert state["accepted"] == len(read_rows(loop, 1, "accepted")) + len(read_rows(loop, 2, "accepted"))


async def test_its_verdict_is_that_of_the_checks(tmp_path: Path) -> None:
    def rejects(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        judged = [sample["prompt"] for sample in data.get("samples", [])]
        return reply | {"adherence": 1, "utility": 1, "relevance": 1} if judged == [NOTHING] else reply

    loop = new_loop(tmp_path, ScriptedTeacher(rejects), rounds=1)
    validation, test, train = (rows(split, 1)[0] for split in ("validation", "test", "train"))
    given = {
        "leak of validation": (validation["prompt"], validation["completion"]),
        "leak of test": (test["prompt"], test["completion"]),
        "duplicate": (train["prompt"], train["completion"]),
        "invalid": (f"{BEFORE}how is the weather in the north today{AFTER}", "weather"),
        "judge": (NOTHING, "refund"),
    }
    for prompt, completion in given.values():
        added(loop.paths, prompt, completion)
    await loop.go({})
    verdicts = {row.id: row for row in of_people(loop, 1)}
    for name, texts in given.items():
        assert verdicts[row_id(*texts)].verdict == name.split()[0], name
        assert verdicts[row_id(*texts)].reason
    assert (verdicts[row_id(*given["leak of test"])].evidence or {})["split"] == "test"
    assert not any(row["origin"] == "person" for row in read_rows(loop, 1, "accepted"))


async def test_it_is_no_part_of_the_rows_that_a_round_chooses_among(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1, oversample=2, synthetic_per_round=12)
    row = added(loop.paths, WRITTEN)
    await loop.go({})
    accepted = read_rows(loop, 1, "accepted")
    assert [each["id"] for each in accepted if each["origin"] == "person"] == [row.id]
    assert len(accepted) == 13


async def test_a_round_that_is_killed_takes_the_same_rows_again(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=2)
    first = added(loop.paths, WRITTEN)
    await loop.until("accept")
    second = added(loop.paths, LATER)
    async with loop.graph() as graph:  # the checkpoint before `allocate`, as after a kill in it
        history = [state async for state in graph.aget_state_history({"configurable": {"thread_id": "run"}})]
        before = next(state for state in history if state.next == ("allocate",))
        with pytest.raises(GraphRecursionError):
            await graph.ainvoke(None, before.config | {"recursion_limit": 1}, context=loop.context)
    await loop.go()
    assert [row.id for row in of_people(loop, 1)] == [first.id]
    assert [row.id for row in of_people(loop, 2)] == [second.id]
    trained = [row["id"] for path in loop.student.trained[-1].train for row in read_jsonl(path)]
    assert trained.count(first.id) == trained.count(second.id) == 1
