"""Reviews in the compiled graph, with stand-ins for teacher and student. `tests/graphs/test_review.py` has answers alone."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from graphs.context import Context
from graphs.review import MAX_DECISIONS
from graphs.rows import NewRow
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import THREAD, Loop, new_loop, read_rows
from tests.tiny_task import label_of, rows


async def test_the_review_of_patterns_waits_and_takes_a_veto(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review="patterns", rounds=1)
    await loop.go({})
    question = await loop.asked()
    shown = question["patterns"]
    assert (question["about"], question["round"]) == ("patterns", 1)
    assert {"id", "name", "description", "failures", "title", "instructions"} == set(shown[0])
    assert loop.teacher.asked("SampleBatch") == []

    await loop.go(Command(resume={"veto": ["r9-p9"]}))
    again = await loop.asked()
    assert again["error"].startswith("No such pattern: r9-p9; there are r1-p0")
    assert again["patterns"] == shown
    state, _ = await loop.go(Command(resume={"veto": [shown[0]["id"]]}))
    assert state["stopped"]
    assert shown[0]["id"] not in {c.pattern for c in loop.written(1)}
    assert {p["id"] for p in shown[1:]} <= {c.pattern for c in loop.written(1)}


async def test_patterns_are_merged_and_edited_and_a_repeated_node_does_the_same(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review="patterns", rounds=1)
    await loop.go({})
    drafted = read_rows(loop, 1, "patterns")
    first, second, third = (pattern["id"] for pattern in drafted[:3])
    answer = {
        "merge": [[first, second]],
        "edit": {first: {"name": "Both", "instructions": drafted[0]["description"]}},
        "veto": [third],
    }
    before = checkpoints(loop)
    state, _ = await loop.go(Command(resume=answer))
    assert state["stopped"]
    patterns = {row["id"]: row for row in read_rows(loop, 1, "patterns")}
    assert list(patterns) == [pattern["id"] for pattern in drafted if pattern["id"] != second]
    assert patterns[first]["name"] == "Both"
    assert patterns[first]["failures"] == drafted[0]["failures"] + drafted[1]["failures"]
    strategies = {
        data["strategy"]["instructions"] for data in loop.teacher.asked("SampleBatch") if data["strategy"]
    }
    assert drafted[0]["description"] in strategies
    written = {c.pattern for c in loop.written(1)}
    assert first in written
    assert not written & {second, third}

    put_back(loop, before)
    assert await loop.go(Command(resume=answer)) == (state, _)
    assert read_rows(loop, 1, "patterns") == list(patterns.values())


async def test_with_all_patterns_vetoed_the_round_goes_on_with_training_errors(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review="patterns", rounds=1)
    await loop.go({})
    names = [pattern["id"] for pattern in read_rows(loop, 1, "patterns")]
    state, _ = await loop.go(Command(resume={"veto": names}))
    assert state["stopped"] == "All 1 rounds are done."
    assert {c.origin for c in loop.written(1)} <= {"train_error"}


def checkpoints(loop: Loop) -> Path:
    """A copy of the run's checkpoints; the files of the run are not in it."""
    kept = loop.paths.root.with_name(f"{loop.paths.root.name}-checkpoints")
    kept.mkdir()
    for path in loop.paths.root.glob("checkpoints.sqlite*"):
        shutil.copy(path, kept)
    return kept


def put_back(loop: Loop, kept: Path) -> None:
    """The run as a kill leaves it, after a node has written its files and before its checkpoint."""
    for path in loop.paths.root.glob("checkpoints.sqlite*"):
        path.unlink()
    for path in kept.iterdir():
        shutil.copy(path, loop.paths.root)


def by_verdict(loop: Loop, *verdicts: str) -> list[NewRow]:
    return [row for row in loop.written(1) if row.verdict in verdicts]


async def test_the_review_of_rows_waits_with_counts_before_the_student_is_trained(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review="rows", rounds=1)
    _, ended = await loop.go({})
    accepted = by_verdict(loop, "accepted")
    assert await loop.asked() == {
        "about": "rows",
        "round": 1,
        "accepted": len(accepted),
        "rejected": len(loop.written(1)) - len(accepted),
    }
    assert ended[-2:] == ["accept", "review_rows"]
    assert len(loop.student.trained) == 1
    assert {row["id"] for row in read_rows(loop, 1, "accepted")} == {row.id for row in accepted}


async def test_the_student_is_trained_on_what_the_reviewer_left_and_took_in(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review="rows", rounds=1)
    await loop.go({})
    checked = {row.id: row for row in loop.written(1)}
    (lost, other), taken = by_verdict(loop, "accepted")[:2], by_verdict(loop, "judge", "attempts")[0]
    before = len(by_verdict(loop, "accepted"))
    state, _ = await loop.go(Command(resume={"reject": [lost.id, other.id], "accept": [taken.id]}))
    assert state["stopped"]
    assert state["accepted"] == before - 1
    trained = {row["id"] for row in read_rows(loop, 1, "accepted")}
    assert taken.id in trained
    assert not trained & {lost.id, other.id}
    assert trained == {row.id for row in by_verdict(loop, "accepted")}
    assert loop.paths.round(1).accepted in loop.student.trained[1].train

    decided = {row.id: row for row in loop.written(1)}
    assert list(decided) == list(checked)
    assert (decided[lost.id].verdict, decided[taken.id].verdict) == ("reviewer", "accepted")
    for name in (lost.id, taken.id):
        overruled = decided[name].overruled
        assert overruled
        assert (overruled.verdict, overruled.reason) == (checked[name].verdict, checked[name].reason)
        assert decided[name].reason != overruled.reason
    left = decided.keys() - {lost.id, other.id, taken.id}
    assert all(decided[name] == checked[name] for name in left)


async def test_a_kill_after_the_rows_are_written_changes_nothing(tmp_path: Path) -> None:
    """The node runs once more, on files that it has written already; another answer starts from the checks' verdicts."""
    loop = new_loop(tmp_path, review="rows", rounds=1)
    await loop.go({})
    question, checked = await loop.asked(), read_rows(loop, 1, "accepted")
    answer = {
        "reject": [row.id for row in by_verdict(loop, "accepted")[:3]],
        "accept": [row.id for row in by_verdict(loop, "judge", "attempts", "duplicate")[:2]],
    }
    assert len(answer["accept"]) == 2
    before = checkpoints(loop)
    expected, _ = await loop.go(Command(resume=answer))
    decided = {name: read_rows(loop, 1, name) for name in ("rows", "accepted")}
    assert len(decided["accepted"]) == len(checked) - 1

    put_back(loop, before)
    assert await loop.asked() == question
    await loop.go(None)
    assert await loop.asked() == question, "it counts what the checks have said"
    state, _ = await loop.go(Command(resume=answer))
    assert state == expected
    assert {name: read_rows(loop, 1, name) for name in decided} == decided

    put_back(loop, before)
    state, _ = await loop.go(Command(resume={"reject": []}))
    assert read_rows(loop, 1, "accepted") == checked
    assert state["accepted"] == len(checked)


async def test_a_leak_is_never_accepted(tmp_path: Path) -> None:
    stolen = rows("test")[3]

    def thief(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        copied = {"prompt": stolen["prompt"], "completion": stolen["completion"]}
        return {"samples": [copied, *reply["samples"]]} if schema == "SampleBatch" else reply

    loop = new_loop(tmp_path, ScriptedTeacher(thief), review="rows", rounds=1)
    await loop.go({})
    leak = by_verdict(loop, "leak")[0].id
    await loop.go(Command(resume={"accept": [leak]}))
    question = await loop.asked()
    assert question["error"] == (
        f"No reviewer can accept these rows: {leak} (leak: too close to a validation or test row)."
    )
    assert len(loop.student.trained) == 1
    await loop.go(Command(resume={"reject": [leak]}))
    assert stolen["prompt"] not in {row["prompt"] for row in read_rows(loop, 1, "accepted")}
    assert leak in {row.id for row in by_verdict(loop, "leak")}, "what is rejected already stays what it is"


async def test_an_answer_about_patterns_is_not_taken_for_one_about_rows(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review=True, rounds=1)
    await loop.go({})
    assert (await loop.asked())["about"] == "patterns"
    answer = {"about": "patterns", "round": 1}
    await loop.go(Command(resume=answer))
    assert (await loop.asked())["about"] == "rows"
    await loop.go(Command(resume=answer))
    assert (await loop.asked())["error"] == "The review is about rows, not patterns."
    state, _ = await loop.go(Command(resume={"about": "rows", "round": 1}))
    assert state["stopped"]


async def test_a_round_without_rows_asks_nothing(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review=True, rounds=1, train_errors=False)
    await loop.go({})
    names = [pattern["id"] for pattern in read_rows(loop, 1, "patterns")]
    state, _ = await loop.go(Command(resume={"veto": names}))
    assert state["stopped"] == "All 1 rounds are done."
    assert loop.written(1) == []


async def test_a_round_may_lose_all_its_rows(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, review="rows", rounds=1)
    await loop.go({})
    accepted = [row.id for row in by_verdict(loop, "accepted")]
    state, _ = await loop.go(Command(resume={"reject": accepted}))
    assert state["accepted"] == 0
    assert read_rows(loop, 1, "accepted") == []
    assert state["best_round"] == 0


async def test_a_rejected_row_may_be_written_again_in_the_next_round(tmp_path: Path) -> None:
    """All in one process, whose memory of the rows holds what `accept` has let in."""
    prompt = (
        "Classify the request.\nRequest: courier brought seven amber kettles over the walnut bridge\nLabel:"
    )
    sample = {"prompt": prompt, "completion": label_of(rows("train")[0]["prompt"])}

    def same(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        return {"samples": [sample]} if schema == "SampleBatch" else reply

    loop = new_loop(tmp_path, ScriptedTeacher(same), review="rows", rounds=2, qc=False, max_attempts=1)
    context = Context(task="classification", loop=loop.loop, seed=7)
    async with loop.graph() as graph:
        await graph.ainvoke({}, THREAD, context=context)
        (first,) = (row["id"] for row in read_rows(loop, 1, "accepted"))
        await graph.ainvoke(Command(resume={"reject": [first]}), THREAD, context=context)
    assert read_rows(loop, 1, "accepted") == []
    assert [row["prompt"] for row in read_rows(loop, 2, "accepted")] == [prompt]


async def test_a_step_stays_small_whatever_is_answered(tmp_path: Path) -> None:
    """The most that one answer may name, in ids as long as they get; what the graph is given stands in its checkpoint."""
    loop = new_loop(tmp_path, review="rows", rounds=1)
    await loop.go({})
    most = [f"r10-b{n}-a3-49" for n in range(10_000, 10_000 + MAX_DECISIONS)]
    await loop.go(Command(resume={"accept": most, "reject": most}))
    assert (await loop.asked())["error"].endswith("and 495 more.")
    with sqlite3.connect(loop.paths.checkpoints) as database:
        (largest,) = database.execute(
            "SELECT max(bytes) FROM (SELECT sum(bytes) AS bytes FROM ("
            "SELECT checkpoint_id, length(checkpoint) AS bytes FROM checkpoints UNION ALL "
            "SELECT checkpoint_id, length(value) AS bytes FROM writes) GROUP BY checkpoint_id)"
        ).fetchone()
    assert len(json.dumps(most)) < largest < 64 * 1024


@pytest.mark.parametrize(("said", "most"), [("This is what goes wrong. ", 32), ("🤷🤷🤷🤷🤷🤷🤷 ", 64)])
async def test_texts_of_great_length_are_cut_in_the_question_alone(
    tmp_path: Path, said: str, most: int
) -> None:
    """The question is kept in the checkpoint, which holds at most 64 KiB a step."""
    long = said * 4_000

    def change(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        return reply | {"description": reply["description"] + long} if schema == "FailurePattern" else reply

    loop = new_loop(tmp_path, ScriptedTeacher(change), review="patterns", rounds=1)
    await loop.go({})
    asked = await loop.asked()
    assert len(json.dumps(asked, ensure_ascii=False).encode()) < most * 1024
    assert all(pattern["description"].endswith(" ...") for pattern in asked["patterns"])
    assert all(pattern["name"].startswith("Unknown words for ") for pattern in asked["patterns"])
    assert all(len(pattern["description"]) > len(long) for pattern in read_rows(loop, 1, "patterns"))
