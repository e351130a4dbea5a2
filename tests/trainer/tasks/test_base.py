"""Defaults of a task that implements only `score`."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.data_files import DataError
from trainer.records import Example, Prediction, Score
from trainer.tasks.base import Task

ROW = Example(id="a", prompt="Which?", completion="this")


class Length(Task):
    """A reply is right if it is as long as the completion."""

    def row_error(self, example: Example) -> str | None:
        return "the completion is 'bad'. Correct it." if example.completion == "bad" else None

    def score(self, example: Example, prediction: Prediction) -> Score:
        correct = len(prediction.text) == len(example.completion)
        return Score(id=example.id, value=float(correct), correct=correct, explanation="")


def test_a_row_is_asked_as_it_is_and_refused_for_nothing() -> None:
    task = Task()
    rendered = task.render(ROW)
    assert (rendered.prompt, rendered.completion, rendered.choices) == ("Which?", "this", None)
    assert task.row_error(ROW) is None
    assert task.unknown_label(ROW) is None
    assert task.unavailable_reason() is None
    assert task.new_row_error("any", "row") is None
    # rows with the same prompt form a group, and all rows are one stratum
    assert task.group(ROW) == task.group(ROW.model_copy(update={"id": "b"})) == "Which?"
    assert task.stratify_key(ROW) == task.stratify_key(ROW.model_copy(update={"completion": "that"}))


def test_a_task_must_score() -> None:
    with pytest.raises(NotImplementedError):
        Task().score(ROW, Prediction(id="a", text="this"))


def test_many_rows_are_scored_in_order_and_only_with_a_reply_each() -> None:
    replies = [Prediction(id="a", text="four"), Prediction(id="a", text="three")]
    assert [score.correct for score in Length().score_all([ROW, ROW], replies)] == [True, False]
    with pytest.raises(ValueError, match="shorter"):
        Length().score_all([ROW, ROW], replies[:1])


def test_load_asks_the_task_about_each_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "p", "completion": "good"}\n{"prompt": "p", "completion": "bad"}\n')
    with pytest.raises(DataError, match=r"rows.jsonl, line 2: the completion is 'bad'. Correct it."):
        Length().load(path)
    assert len(Task().load(path)) == 2
