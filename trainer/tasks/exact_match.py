"""Free text that must equal the reference, word for word."""

from __future__ import annotations

from itertools import zip_longest

from trainer.records import Example, Prediction, Score
from trainer.tasks.base import AnswerFacts, Task
from trainer.text import canonical, fold


class ExactMatch(Task):
    """Right if reply and completion are the same text. White space is normalized; case counts."""

    name = "exact_match"
    metric = "exact_match"
    max_new_tokens = 128

    def answer_facts(self) -> AnswerFacts:
        return AnswerFacts(
            judged="Right if the reply is the expected text, word for word. White space does not count, case does.",
            form="Text in exactly the form of the examples.",
        )

    def score(self, example: Example, prediction: Prediction) -> Score:
        expected, got = (" ".join(canonical(text).split()) for text in (example.completion, prediction.text))
        correct = expected == got
        explanation = "The reply is the expected text." if correct else _difference(expected, got, prediction)
        return Score(id=example.id, value=float(correct), correct=correct, explanation=explanation)


def _difference(expected: str, got: str, prediction: Prediction) -> str:
    if not got:
        return "The reply is empty."
    if fold(expected) == fold(got):
        return "The reply differs from the expected text only in upper and lower case."
    if got.startswith(expected):
        return f"The reply goes on after the expected text: {got[len(expected) :].strip()!r}."
    if expected.startswith(got):
        cut = ", cut off by the token limit" if prediction.truncated else ""
        missing = expected[len(got) :].strip()
        return f"The reply stops before the expected text's end{cut}: {missing!r} is missing."
    pairs = enumerate(zip_longest(expected.split(), got.split(), fillvalue="nothing"), 1)
    place, (wanted, came) = next((place, pair) for place, pair in pairs if pair[0] != pair[1])
    return (
        f"The reply departs from the expected text at word {place}: {wanted!r} was expected, {came!r} came."
    )
