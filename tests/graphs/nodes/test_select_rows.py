"""More rows than are kept: which of them stay."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from graphs.nodes.select_rows import choose, rank
from graphs.rows import Batch, NewRow
from tests.graphs.loop_harness import new_loop, read_rows
from trainer.artifacts import read_jsonl


def new_row(name: str, pattern: str | None) -> NewRow:
    return NewRow(
        id=name, prompt=name, completion="x", round=1, batch="b", pattern=pattern,
        origin="pattern" if pattern else "train_error", attempt=1, verdict="accepted", reason="",
    )  # fmt: skip


def batch(count: int, pattern: str | None) -> Batch:
    origin = "pattern" if pattern else "train_error"
    return Batch(id="b", round=1, origin=origin, count=count, pattern=pattern)


def test_wrong_answers_come_first_within_the_share_of_each_pattern() -> None:
    plan = [batch(4, "p0"), batch(2, "p1"), batch(2, None)]
    rows = [new_row(name, "p0") for name in "abcd"] + [new_row(name, "p1") for name in "ef"]
    rows += [new_row("g", None), new_row("h", None)]
    right = {name: name not in "cdefh" for name in "abcdefgh"}
    # half of each: two of the first, one of the second, one for training errors
    assert choose(rows, plan, 4, right, None, 0) == ["c", "d", "e", "h"]


def test_a_pattern_without_enough_wrong_answers_keeps_its_share() -> None:
    plan = [batch(2, "p0"), batch(2, "p1")]
    rows = [new_row("a", "p0"), new_row("b", "p0"), new_row("c", "p1"), new_row("d", "p1")]
    right = dict.fromkeys("ab", True) | dict.fromkeys("cd", False)
    assert set(choose(rows, plan, 2, right, None, 0)) == {"a", "c"}


def test_the_place_of_rows_that_did_not_pass_goes_to_the_hardest_of_any() -> None:
    plan = [batch(4, "p0"), batch(4, "p1")]
    rows = [new_row("a", "p0"), *(new_row(name, "p1") for name in "bcde")]
    right = {"a": False, "b": True, "c": False, "d": False, "e": False}
    assert set(choose(rows, plan, 4, right, None, 0)) == {"a", "c", "d", "e"}


def test_nothing_is_added_where_the_plan_was_smaller() -> None:
    plan = [batch(1, None), batch(1, None)]
    assert choose([new_row("a", None), new_row("b", None)], plan, 24, {"a": True, "b": False}, None, 0) == [
        "b",
        "a",
    ]


def test_the_wrong_rows_that_are_kept_represent_all_wrong_rows() -> None:
    """Two heaps of wrong rows, far apart, and one row that is right: the middle of each heap is kept, not one heap twice."""
    places = {
        "a1": (0, 0),
        "a2": (0, 1),
        "a3": (0, -1),
        "b1": (9, 0),
        "b2": (9, 1),
        "b3": (9, -1),
        "c": (4, 0),
    }
    vectors = {name: np.array(place, np.float32) for name, place in places.items()}
    rows = [new_row(name, "p0") for name in ("a2", "a3", "a1", "c", "b3", "b1", "b2")]
    right = {name: name == "c" for name in places}
    ranked = rank(rows, 2, right, vectors, seed=0)
    assert set(ranked[:2]) == {"a1", "b1"}
    assert ranked[-1] == "c"
    assert sorted(ranked) == sorted(places)


def test_rows_that_are_all_alike_still_fill_the_places() -> None:
    rows = [new_row(name, "p0") for name in "abcd"]
    vectors = {name: np.ones(3, np.float32) for name in "abcd"}
    assert len(choose(rows, [batch(4, "p0")], 3, dict.fromkeys("abcd", False), vectors, 0)) == 3


async def test_a_round_keeps_what_the_student_before_it_gets_wrong(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=2, synthetic_per_round=12, oversample=2)
    state, _ = await loop.go({})
    for round_number in (1, 2):
        planned = Counter(
            row["pattern"] for row in read_rows(loop, round_number, "batches") for _ in range(row["count"])
        )
        assert planned.total() == 24
        kept = [row for row in loop.written(round_number) if row.verdict == "accepted"]
        assert len(kept) == 12
        answers = {
            row["id"]: row["text"]
            for row in read_jsonl(loop.paths.round(round_number).selection / "predictions.jsonl")
        }
        surplus = [
            row for row in loop.written(round_number) if row.verdict == "surplus" and row.id in answers
        ]
        assert surplus
        for row in surplus:
            same = [other for other in kept if other.pattern == row.pattern]
            if answers[row.id] != row.completion:
                assert all(answers[other.id] != other.completion for other in same), "an easier row was kept"
        trained = list(read_jsonl(loop.paths.round(round_number).accepted))
        assert [row["id"] for row in trained] == [row.id for row in kept]
    assert state["accepted"] == 24
    assert [spec.adapter.parts[-3:] for spec in loop.student.predicted if spec.adapter] == [
        ("0", "student", "adapter"),
        ("1", "student", "adapter"),
    ]


async def test_started_again_it_keeps_the_same_rows(tmp_path: Path) -> None:
    first = new_loop(tmp_path / "first", rounds=1, synthetic_per_round=12, oversample=1.5)
    again = new_loop(tmp_path / "again", rounds=1, synthetic_per_round=12, oversample=1.5)
    await first.go({})
    await again.go({})
    assert read_rows(first, 1, "accepted") == read_rows(again, 1, "accepted")
