"""Letters read from replies, and the likeliest option."""

from pathlib import Path
from typing import Any

import pytest

from trainer.data_files import DataError
from trainer.records import Example, Prediction
from trainer.tasks.multiple_choice import (
    MultipleChoice,
    MultipleChoiceLoglikelihood,
    offered_letters,
    parse_letter,
)

PROMPT = "What lives?\n\nA. air\nB. water\nC. a rock\nD. a worm\n\nAnswer with the letter."
TEXTS = ["air", "water", "a rock", "a worm"]
ARC = {"label": ["A", "B", "C", "D"], "text": TEXTS}


def row(completion: str, choices: Any = None, prompt: str = PROMPT) -> Example:
    return Example(id="a", prompt=prompt, completion=completion, choices=choices)


def reply(text: str) -> Prediction:
    return Prediction(id="a", text=text)


BARE = [
    "B",
    " b ",
    "B.",
    "b)",
    "(b)",
    "[B]",
    "**B**",
    '"B"',
    "B: water",
    "B. water is wet",
    "(B) water",
    "B\nC",
]
ANNOUNCED = [
    "Answer: B",
    "answer: b",
    "The answer is B",
    "The correct answer is (B).",
    "Option B",
    "Answer is **B** as",
]


@pytest.mark.parametrize("text", [*BARE, *ANNOUNCED])
def test_replies_that_name_b(text: str) -> None:
    assert parse_letter(text) == "B"


@pytest.mark.parametrize(
    "text", ["", "water", "A worm", "Because B", "the answer is a worm", "I'd say", "Bee", "42", "?"]
)
def test_replies_that_name_no_letter(text: str) -> None:
    assert parse_letter(text) is None


@pytest.mark.parametrize(
    ("prompt", "letters"),
    [
        (PROMPT, "ABCD"),
        ("Which? (A) one (B) two (C) three ", "ABC"),
        ("Which?\nA: one\nB: two", "AB"),
        ("Which?\n  A) one\n  B) two\nE. five", "AB"),
        ("Plan B. Go!", ""),
        ("No options here", ""),
    ],
)
def test_letters_offered(prompt: str, letters: str) -> None:
    assert "".join(offered_letters(prompt)) == letters


@pytest.mark.parametrize("choices", [None, TEXTS, ARC])
def test_score(choices: Any) -> None:
    task = MultipleChoice()
    assert task.score(row("D", choices), reply("D. a worm")).correct
    assert not task.score(row("D", choices), reply("B")).correct
    assert not task.score(row("D", choices), reply("E")).correct
    assert not task.score(row("D", choices), reply("no idea")).correct


def test_labels_that_are_no_letters() -> None:
    numbers = {"label": ["1", "2"], "text": ["one", "two"]}
    assert MultipleChoice().score(row("2", numbers), reply(" 2 ")).correct
    assert MultipleChoice().stratify_key(row("2", numbers)) == "B"


def test_explanations() -> None:
    def explanation(text: str, choices: Any = ARC) -> str:
        return MultipleChoice().score(row("D", choices), reply(text)).explanation

    assert explanation("D") == "The answer 'D' ('a worm') is right."
    assert explanation("B") == "The answer should be 'D' ('a worm'), and the student chose 'B' ('water')."
    assert explanation("B", None) == "The answer should be 'D', and the student chose 'B'."
    assert (
        explanation("Z") == "The answer should be 'D' ('a worm'), and the reply 'Z' names no option offered."
    )


def test_summary_shows_a_bias() -> None:
    rows = [row(letter) for letter in "ABCD"]
    summary = MultipleChoice().summarize(rows, [reply(text) for text in ("A", "A", "A", "hm")])
    assert summary == {
        "by_letter": {
            "A": {"n": 1, "predicted": 3, "correct": 1},
            "B": {"n": 1, "predicted": 0, "correct": 0},
            "C": {"n": 1, "predicted": 0, "correct": 0},
            "D": {"n": 1, "predicted": 0, "correct": 0},
        },
        "unclear_replies": 1,
    }


def test_new_rows() -> None:
    task = MultipleChoice([row("D")])
    assert task.new_row_error(PROMPT, "C") is None
    assert task.new_row_error(PROMPT, "E") == "The completion 'E' is none of the letters offered: A, B, C, D."
    assert (
        task.new_row_error(PROMPT, "water")
        == "The completion 'water' is none of the letters offered: A, B, C, D."
    )
    assert (
        task.new_row_error(PROMPT, "B. water") == "The completion must be the letter alone, not 'B. water'."
    )
    assert "offers no lettered options" in (task.new_row_error("What lives?", "B") or "")
    assert MultipleChoice([row("D. a worm")]).new_row_error(PROMPT, "B. water") is None


@pytest.mark.parametrize(
    "line", ['{"prompt": "A. x\\nB. y", "completion": "C"}', '{"prompt": "p", "completion": "why"}']
)
def test_a_data_row_must_answer_with_an_option(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(line)
    with pytest.raises(DataError, match=r"line 1: the completion '(C|why)' is none of the options A, B"):
        MultipleChoice().load(path)


@pytest.mark.parametrize("choices", [None, TEXTS, ARC])
def test_likelihood_compares_letters_where_completions_are_letters(choices: Any) -> None:
    task = MultipleChoiceLoglikelihood()
    assert task.render(row("D", choices)).choices == ["A", "B", "C", "D"]
    assert task.score(row("D", choices), Prediction(id="a", text="D", choice=3)).correct


@pytest.mark.parametrize("choices", [TEXTS, ARC])
def test_likelihood_compares_texts_where_completions_are_texts(choices: Any) -> None:
    example = row("a worm", choices, prompt="What lives?")
    task = MultipleChoiceLoglikelihood([example])
    assert task.render(example).choices == TEXTS
    assert task.stratify_key(example) == "D"
    assert task.score(example, Prediction(id="a", text="a worm", choice=3)).correct
    wrong = task.score(example, Prediction(id="a", text="air", choice=0))
    assert not wrong.correct
    assert wrong.explanation == "The answer should be 'a worm', and the student chose 'air'."
    assert task.new_row_error("What flies?", "a bird") is None
