"""SQuAD's exact match and F1, worked out by hand from the official script's definition."""

from pathlib import Path
from typing import Any

import pytest

from trainer.data_files import DataError
from trainer.records import Example, Prediction
from trainer.tasks.extractive_qa import ExtractiveQA

TASK = ExtractiveQA()
PASSAGE = "In 1945 the Duke of York met Ann Lee, a painter, in Plymouth Devonport."


def row(completion: str, **fields: Any) -> Example:
    return Example(id="a", prompt=PASSAGE, completion=completion, **fields)


def reply(text: str, truncated: bool = False) -> Prediction:
    return Prediction(id="a", text=text, truncated=truncated)


@pytest.mark.parametrize(
    ("reference", "text", "exact", "f1"),
    [
        ("Plymouth Devonport", "Plymouth Devonport", True, 1),
        ("the Duke of York", " duke  of York.", True, 1),
        ("Ann Lee", "an Ann\nLee", True, 1),
        ("The A Team", "team", True, 1),
        ("theatre", "atre", False, 0),  # articles go as words only
        ("42,719", "42719", True, 1),  # punctuation is deleted, not replaced by a blank
        ("well-known", "well known", False, 0),
        ("don't", "dont", True, 1),
        ("U.S.", "US", True, 1),
        ("the-end", "end", False, 0),  # punctuation goes first: theend
        ("“York”", "York", False, 0),  # ASCII punctuation only
        ("Zürich", "ZÜRICH", True, 1),
        ("a b b c", "b b d", False, 2 * 2 / (3 + 3)),  # the first a is an article
        ("York York", "York", False, 2 * 1 / (2 + 1)),
        ("Duke of York", "Duke", False, 2 * 1 / (3 + 1)),
        ("Duke", "the grand old Duke of York", False, 2 * 1 / (1 + 5)),
        ("Duke", "", False, 0),
        ("The", "a", True, 1),  # nothing is left of either
        ("The", "Duke", False, 0),
        ("1945", "In 1945", False, 2 * 1 / (1 + 2)),
    ],
)
def test_squad_metrics(reference: str, text: str, exact: bool, f1: float) -> None:
    score = TASK.score(row(reference), reply(text))
    assert score.correct is exact
    assert score.value == pytest.approx(f1)
    assert score.detail == {"exact_match": float(exact), "f1": score.value}


@pytest.mark.parametrize(
    "answers", [["Duke of York", "York"], {"text": ["York", "Duke of York"], "answer_start": []}]
)
def test_the_best_reference_counts(answers: Any) -> None:
    assert TASK.score(row("Duke of York", answers=answers), reply("York")).correct
    assert TASK.score(row("Duke of York", answers=answers), reply("of York")).value == pytest.approx(0.8)


@pytest.mark.parametrize("answers", [None, [], {"text": []}])
def test_without_answers_the_completion_counts(answers: Any) -> None:
    assert TASK.score(row("York", answers=answers), reply("York")).correct


def test_answers_that_are_no_texts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "p", "completion": "c", "answers": [1]}')
    with pytest.raises(DataError, match="line 1: `answers` is not a list of texts"):
        TASK.load(path)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("York", "too short: it is only part of the answer."),
        ("met the Duke of York", "too long: it contains the answer, and it is not copied from the prompt."),
        ("York met Ann Lee", "shares 1 of the answer's 3 words."),
        ("Ann Lee", "shares no word with the answer."),
    ],
)
def test_explanations(text: str, how: str) -> None:
    explanation = TASK.score(row("the Duke of York"), reply(text)).explanation
    assert explanation.startswith(f"The answer should be 'the Duke of York'; the reply '{text}' ")
    assert explanation.endswith(how)


def test_further_explanations() -> None:
    assert TASK.score(row("York"), reply("york.")).explanation == "The answer is right."
    assert (
        TASK.score(row("York"), reply("")).explanation
        == "The answer should be 'York', and the reply is empty."
    )
    assert "the token limit cut it off" in TASK.score(row("York"), reply("Plymouth", True)).explanation


def test_summary() -> None:
    summary = TASK.summarize([row("York"), row("Duke of York")], [reply("York"), reply("Duke")])
    assert summary == {"exact_match": 0.5, "f1": pytest.approx(0.75)}


def test_new_rows_copy_their_answer() -> None:
    assert TASK.new_row_error(PASSAGE, "Ann Lee") is None
    assert (
        TASK.new_row_error(PASSAGE, "Anne Lee")
        == "The answer 'Anne Lee' must be copied from the prompt, and is not in it."
    )
