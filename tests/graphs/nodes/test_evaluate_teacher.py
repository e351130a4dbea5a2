"""What the teacher itself scores: it answers without seeing the answers, once in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphs.artifacts import TeacherScores
from graphs.context import Context
from graphs.errors import BudgetExhausted, RunPaused, UnansweredError
from graphs.nodes.evaluate_teacher import evaluate_teacher
from graphs.teacher.cost import Cost
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import Loop, new_loop
from tests.tiny_task import KEYS, rows
from trainer.artifacts import read_json, read_jsonl


def asking(loop: Loop, **more: Any) -> Context:
    return loop.context.model_copy(update={"evaluate_teacher": True} | more)


async def scored(loop: Loop, **more: Any) -> TeacherScores:
    workspace = loop.workspace()
    workspace.spent = lambda: Cost(calls=8, prompt_tokens=90, completion_tokens=10, usd=0.5, repeated=0)
    await evaluate_teacher(asking(loop, **more), workspace)
    await workspace.aclose()
    return TeacherScores(**read_json(loop.paths.teacher))


async def test_it_answers_validation_rows_whose_answers_it_does_not_see(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    found = await scored(loop)
    assert (found.metric, found.validation.n, found.validation.score) == ("accuracy", 40, 1.0)
    assert (found.calls, found.tokens, found.usd) == (8, 100, 0.5)
    assert found.test is None
    asked = loop.teacher.asked("BlindAnswers")
    assert [prompt for data in asked for prompt in data["prompts"]] == [
        row["prompt"] for row in rows("validation")
    ]
    train = [{"prompt": row["prompt"], "completion": row["completion"]} for row in rows("train")]
    shown = [example for data in asked for example in data["examples"]]
    assert shown
    assert all(example in train for example in shown)
    assert not loop.paths.test_access.exists(), "no test row is opened"


async def test_wrong_and_missing_answers_count_as_wrong(tmp_path: Path) -> None:
    """Of ten calls one has a wrong answer, one too few answers, and one is declined."""
    number = 0

    def errs(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        nonlocal number
        number += 1
        if number == 1:
            first = next(label for label in KEYS if label != reply["answers"][0])
            return {"answers": [first, *reply["answers"][1:]]}
        if number == 3:
            raise UnansweredError("declined")
        return {"answers": reply["answers"][1:]} if number == 2 else reply

    loop = new_loop(tmp_path, ScriptedTeacher(errs))
    found = (await scored(loop)).validation
    assert found.unanswered == 8
    assert found.score == pytest.approx((40 - 1 - 8) / 40)
    low, high = found.ci95
    assert low < found.score < high < 1


async def test_test_rows_only_where_that_is_asked_for_and_on_record(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, test=30)
    found = await scored(loop, evaluate_teacher="test")
    assert found.test
    assert (found.test.n, found.test.score) == (30, 1.0)
    (opened,) = read_jsonl(loop.paths.test_access)
    assert "sent to the teacher without their answers" in opened["reason"]


async def test_it_is_asked_once_in_a_run(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    first = await scored(loop)
    calls = len(loop.teacher.calls)
    assert await scored(loop) == first
    assert len(loop.teacher.calls) == calls


async def test_a_cap_pauses_the_run_before_rows_are_paid_for(tmp_path: Path) -> None:
    def empty(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        raise BudgetExhausted("the cap")

    loop = new_loop(tmp_path, ScriptedTeacher(empty))
    with pytest.raises(RunPaused):
        await scored(loop)
    assert not loop.paths.teacher.exists()


async def test_it_is_not_asked_unless_the_config_says_so(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    await evaluate_teacher(loop.context, loop.workspace())
    assert loop.teacher.calls == []
