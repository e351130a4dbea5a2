"""Final numbers, calculations, and explanations for the teacher."""

import pytest

from trainer.records import Example, Prediction
from trainer.tasks.gsm8k import GSM8K, calculate, wrong_calculations

TASK = GSM8K()
SOLUTION = "Half is 48/2=<<48/2=24>>24.\nIn all 48+24=<<48+24=72>>72.\n#### 72"
ROW = Example(id="a", prompt="How many?", completion=SOLUTION)


def explanation(text: str, truncated: bool = False) -> str:
    return TASK.score(ROW, Prediction(id="a", text=text, truncated=truncated)).explanation


def test_explanations() -> None:
    assert explanation(SOLUTION) == "The answer 72 is right."
    assert explanation("#### 70") == "The answer should be 72, and the reply's is 70."
    slip = "Half is <<48/2=22>>22.\nIn all <<48+22=70>>70.\n#### 70"
    assert explanation(slip) == (
        "The answer should be 72, and the reply's is 70. The calculation 48/2=22 is wrong."
    )
    assert explanation("It is 72.") == (
        "The answer should be 72, and the reply has no line `#### ` with an answer, though its last number is that."
    )
    assert explanation("Half of 48", truncated=True) == (
        "The answer should be 72, and the reply has no line `#### ` with an answer, because the token limit cut it off."
    )


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("48/2", 24),
        ("(3+4)*2-1", 13),
        ("-5+.5", -4.5),
        ("$1,200*2", 2400),
        ("7", 7),
        ("1/0", None),
        ("2**9", None),
        ("3x+1", None),
        ("True+1", None),
        ("'a'*3", None),
        ("__import__('os')", None),
        ("(" * 500, None),
        ("9" * 5000, None),
        ("", None),
    ],
)
def test_calculate(expression: str, value: float | None) -> None:
    assert calculate(expression) == value


def test_calculations_may_be_rounded_and_words_are_let_through() -> None:
    assert wrong_calculations("<<10/3=3.33>> <<2/3*100=67>> <<x+2=5>> <<5=5>>") == []
    assert wrong_calculations("<<10/3=3.5>> <<2*3=6>> <<0.5*4=3>>") == ["10/3=3.5", "0.5*4=3"]


def test_new_rows_end_with_their_answer_and_calculate_right() -> None:
    assert TASK.new_row_error("How many?", SOLUTION) is None
    assert TASK.new_row_error("How many?", f"{SOLUTION}\n") is None
    missing = "The completion must end with a line `#### ` and the answer as a number."
    for wrong in ("", "72", "#### 72\nThat is it.", "#### seventy", "#### 72 apples"):
        assert TASK.new_row_error("How many?", wrong) == missing
    assert TASK.new_row_error("?", "<<6*7=41>>41\n#### 41") == "The calculation 6*7=41 is wrong."


def test_summary() -> None:
    replies = [Prediction(id="a", text=text) for text in (SOLUTION, "It is 72", "#### 7", "none")]
    assert TASK.summarize([ROW] * 4, replies) == {"strict": 0.25, "flexible": 0.5, "unfinished": 2}


def test_a_row_without_a_final_answer_is_refused() -> None:
    assert TASK.row_error(ROW) is None
    assert TASK.row_error(Example(id="a", prompt="p", completion="72"))


def test_a_row_of_the_source() -> None:
    converted = GSM8K().convert({"question": "How many?", "answer": "So.\n#### 1,080"})
    assert converted == {"prompt": "How many?", "completion": "So.\n#### 1,080", "answer": "1,080"}
