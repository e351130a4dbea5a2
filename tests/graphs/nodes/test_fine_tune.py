"""What a round's student is trained on, and what it is asked."""

from __future__ import annotations

from pathlib import Path

from graphs.nodes.fine_tune import fine_tune, train_spec
from graphs.state import LoopState
from tests.graphs.loop_harness import new_loop
from trainer.artifacts import read_jsonl
from trainer.specs import StudentSpec


async def test_the_baseline_is_trained_on_the_given_rows_alone(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    assert await fine_tune(LoopState(), loop.runtime, workspace=loop.workspace()) == {}
    (spec,) = loop.student.trained
    assert spec.train == [loop.paths.data("train")]
    assert {file.name: file.output for file in spec.predict} == {
        "validation": loop.round(0).paths.predictions("validation"),
        "train": loop.round(0).paths.predictions("train"),
    }


async def test_a_later_round_adds_what_all_rounds_accepted(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    spec = train_spec(loop.round(2), loop.context.student, loop.context, loop.workspace())
    assert spec.train == [
        loop.paths.data("train"),
        loop.round(1).paths.accepted,
        loop.round(2).paths.accepted,
    ]
    assert spec.adapter is None, "from the base model"


async def test_the_last_round_answers_no_training_rows(tmp_path: Path) -> None:
    """No round comes after it that could write for their errors."""
    loop = new_loop(tmp_path, rounds=2)
    assert [
        file.name
        for file in train_spec(loop.round(2), loop.context.student, loop.context, loop.workspace()).predict
    ] == ["validation"]


async def test_training_rows_are_sampled_anew_each_round_with_the_seed(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, max_train_failures=10, rounds=3)
    drawn = []
    for round_number in (0, 1, 0):
        spec = train_spec(loop.round(round_number), loop.context.student, loop.context, loop.workspace())
        drawn.append([row["id"] for row in read_jsonl(spec.predict[1].rows)])
    assert drawn[0] == drawn[2] != drawn[1]
    given = [row["id"] for row in read_jsonl(loop.paths.data("train"))]
    assert len(drawn[0]) == 10
    assert drawn[0] == [name for name in given if name in drawn[0]], "in the order of the file"


async def test_a_student_may_go_on_from_the_last_one(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    await fine_tune(LoopState(), loop.runtime, workspace=loop.workspace())
    context = loop.context.model_copy(update={"student": StudentSpec(start_from="last")})
    assert train_spec(loop.round(0), context.student, context, loop.workspace()).adapter is None
    assert (
        train_spec(loop.round(1), context.student, context, loop.workspace()).adapter
        == loop.round(0).artifact()
    )
