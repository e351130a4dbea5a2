"""Rows with lettered options, scored by the texts of the options."""

from typing import Any

import pytest

from trainer.records import Example, Prediction
from trainer.tasks.cloze import Cloze, ClozeNorm
from trainer.tasks.multiple_choice import prompt_with_options, split_options

PROMPT = "What lives?\n\nA. air\nB. water\nC. a worm\n\nAnswer with the letter of the correct option."


def row(completion: str = "C", prompt: str = PROMPT, **fields: Any) -> Example:
    return Example(id="a", prompt=prompt, completion=completion, **fields)


@pytest.mark.parametrize(
    ("prompt", "question", "options"),
    [
        (PROMPT, "What lives?", ["air", "water", "a worm"]),
        ("Which?\nA) one\nB) two", "Which?", ["one", "two"]),
        ("Which?\n(A) one\n(B) two\n\nA letter, please.", "Which?", ["one", "two"]),
        ("A. Lincoln was?\nA. tall\nB. short", "", ["Lincoln was?\nA. tall", "short"]),
        ("Which?\nA. one\n  or more\nB. two", "Which?", ["one\n  or more", "two"]),
        ("Which?\nA. one\nC. three", "Which?", ["one\nC. three"]),
        ("No options", "No options", []),
    ],
)
def test_options_are_taken_out_of_a_prompt(prompt: str, question: str, options: list[str]) -> None:
    assert split_options(prompt) == (question, options)


def test_a_prompt_is_put_together_and_taken_apart() -> None:
    assert prompt_with_options("What lives?", ["air", "water", "a worm"]) == PROMPT


@pytest.mark.parametrize(
    "fields", [{}, {"choices": ["air", "water", "a worm"]}, {"choices": {"text": ["air", "water", "a worm"]}}]
)
def test_rendering(fields: dict[str, Any]) -> None:
    rendered = Cloze().render(row(**fields))
    assert rendered.prompt == "Question: What lives?\nAnswer:"
    assert rendered.choices == ["air", "water", "a worm"]
    assert rendered.completion == "a worm"


def test_both_ways_of_choosing_are_scored() -> None:
    # per character: air -4/3, water -3/5, a worm -3.5/6 = -0.583, the best; plain: water
    prediction = Prediction(id="a", text="water", choice=1, choice_logprobs=[-4.0, -3.0, -3.5])
    score = Cloze().score(row(), prediction)
    assert score.detail == {"accuracy": 0.0, "accuracy_norm": 1.0}
    assert (score.value, score.correct) == (0.0, False)
    assert score.explanation == "The answer should be 'C', and the student chose 'B'."
    chosen = prediction.model_copy(update={"text": "a worm", "choice": 2})
    assert ClozeNorm().score(row(), chosen).value == 1.0
    summary = ClozeNorm().summarize([row(), row("B")], [chosen, prediction])
    assert (summary["accuracy"], summary["accuracy_norm"]) == (0.5, 0.5)
    assert summary["by_letter"]["C"] == {"n": 1, "predicted": 1, "correct": 1}


def test_a_row_that_was_too_long_to_be_answered_is_wrong() -> None:
    score = Cloze().score(row(), Prediction(id="a", text="", truncated=True))
    assert score.detail == {"accuracy": 0.0, "accuracy_norm": 0.0}
    assert not score.correct


def test_rows_need_two_options_with_texts() -> None:
    task = Cloze()
    assert task.row_error(row()) is None
    assert "no two options" in (task.row_error(row("A", "Which?\nA. one")) or "")
    assert "no two options" in (task.row_error(row(choices=["air", "", "worm"])) or "")
    assert "none of the options A, B, C" in (task.row_error(row("D")) or "")
    assert task.new_row_error(PROMPT, "B") is None
    assert "none of the letters offered" in (task.new_row_error(PROMPT, "D") or "")
    assert "each on a line of its own" in (task.new_row_error("Which? (A) one (B) two", "B") or "")
