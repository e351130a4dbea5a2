"""Answers copied from a passage, scored as in SQuAD v1.1."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

from trainer.records import Example, Prediction, Score
from trainer.tasks.base import AnswerFacts, Task

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


class ExtractiveQA(Task):
    """Token F1 against the nearest reference. A reply is right if it matches a reference exactly after SQuAD's normalization.

    The references are the row's `answers` (texts, or SQuAD's `{"text": [...]}`), else its completion.
    """

    name = "extractive_qa"
    metric = "f1"
    max_new_tokens = 64
    source = "SQuAD v1.1, Rajpurkar et al. 2016 (arXiv 1606.05250), official evaluation script"

    def row_error(self, example: Example) -> str | None:
        if _given_answers(example) is None:
            return (
                "`answers` is not a list of texts. Correct it, or leave it out: then the completion counts."
            )
        return None

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        if completion.strip() not in prompt:
            return f"The answer {completion.strip()!r} must be copied from the prompt, and is not in it."
        return None

    def answer_facts(self) -> AnswerFacts:
        return AnswerFacts(
            judged="By the words that reply and expected answer share (F1). It is right if they are the same, without case, "
            "punctuation and articles.",
            form="A short span copied word for word from the prompt.",
        )

    def f1(self, reference: str, reply: str) -> float:
        """Overlap of the reply with one reference, 0 to 1."""
        return token_f1(reference, reply)

    def score(self, example: Example, prediction: Prediction) -> Score:
        answers = references(example)
        correct = any(exact(answer, prediction.text) for answer in answers)
        nearest = max(answers, key=lambda answer: self.f1(answer, prediction.text))
        value = self.f1(nearest, prediction.text)
        explanation = "The answer is right." if correct else _explain(nearest, example.prompt, prediction)
        return Score(
            id=example.id,
            value=value,
            correct=correct,
            explanation=explanation,
            detail={"exact_match": float(correct), "f1": value},
        )

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Mean `exact_match` and `f1`."""
        scores = [self.score(*pair) for pair in zip(examples, predictions, strict=True)]
        count = max(len(scores), 1)
        return {
            "exact_match": sum(score.correct for score in scores) / count,
            "f1": sum(score.value for score in scores) / count,
        }


def references(example: Example) -> list[str]:
    """The right answers of a row, at least one."""
    return _given_answers(example) or [example.completion]


def _given_answers(example: Example) -> list[str] | None:
    """The row's `answers`; empty if it has none, None if they are not texts."""
    answers = example.field("answers") or []
    if isinstance(answers, dict):
        answers = answers.get("text")
    if isinstance(answers, list) and all(isinstance(answer, str) for answer in answers):
        return answers
    return None


def normalize(text: str) -> str:
    """Lower case; then remove ASCII punctuation, articles and extra white space, in the official order."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact(reference: str, reply: str) -> bool:
    return normalize(reference) == normalize(reply)


def token_f1(reference: str, reply: str) -> float:
    """F1 of the bags of tokens, 0 to 1.

    If normalization removes all tokens of one text, F1 is 1 when the other has none either, as in SQuAD v2's script. The
    v1.1 script would give 0 to a reply that is exactly right.
    """
    expected, got = normalize(reference).split(), normalize(reply).split()
    if not expected or not got:
        return float(expected == got)
    common = (Counter(expected) & Counter(got)).total()
    return 2 * common / (len(expected) + len(got))


def _explain(answer: str, prompt: str, prediction: Prediction) -> str:
    reply = prediction.text.strip()
    if not reply:
        return f"The answer should be {answer!r}, and the reply is empty."
    how = _overlap(normalize(answer), normalize(reply))
    where = "" if reply in prompt else ", and it is not copied from the prompt"
    cut = ", and the token limit cut it off" if prediction.truncated else ""
    return f"The answer should be {answer!r}; the reply {reply!r} {how}{where}{cut}."


def _overlap(expected: str, got: str) -> str:
    """How the reply's span relates to the expected one."""
    padded_expected, padded_got = f" {expected} ", f" {got} "
    if padded_expected in padded_got:
        return "is too long: it contains the answer"
    if padded_got in padded_expected:
        return "is too short: it is only part of the answer"
    shared = (Counter(expected.split()) & Counter(got.split())).total()
    if shared:
        return f"shares {shared} of the answer's {len(expected.split())} words"
    return "shares no word with the answer"
