"""Texts compared word for word."""

import pytest

from trainer.records import Example, Prediction
from trainer.tasks.exact_match import ExactMatch


@pytest.mark.parametrize(
    ("expected", "text", "correct", "explanation"),
    [
        ("a b", "a b", True, "The reply is the expected text."),
        ("a b", " a\n b ", True, "The reply is the expected text."),
        ("a b", "", False, "The reply is empty."),
        ("a b", "A b", False, "The reply differs from the expected text only in upper and lower case."),
        ("a b", "a b c", False, "The reply goes on after the expected text: 'c'."),
        ("a b", "a", False, "The reply stops before the expected text's end: 'b' is missing."),
        (
            "a b",
            "a c",
            False,
            "The reply departs from the expected text at word 2: 'b' was expected, 'c' came.",
        ),
    ],
)
def test_score(expected: str, text: str, correct: bool, explanation: str) -> None:
    score = ExactMatch().score(
        Example(id="a", prompt="p", completion=expected), Prediction(id="a", text=text)
    )
    assert (score.correct, score.value, score.explanation) == (correct, float(correct), explanation)


def test_a_reply_that_was_cut_off_says_so() -> None:
    example = Example(id="a", prompt="p", completion="a b")
    explanation = ExactMatch().score(example, Prediction(id="a", text="a", truncated=True)).explanation
    assert "cut off by the token limit" in explanation
