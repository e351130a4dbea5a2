"""Dates as YYYY-MM-DD, with half of the score for a day that is wrong in the right month."""

from __future__ import annotations

from datetime import date

from trainer.records import Example, Prediction, Score
from trainer.tasks.base import Task


class IsoDate(Task):
    """Right if the reply is the expected date. `Score.value` is 0.5 where only the day is wrong."""

    name = "iso_date"
    metric = "date_score"
    max_new_tokens = 16

    def row_error(self, example: Example) -> str | None:
        """Named with file and line when the rows are read."""
        if parse(example.completion) is None:
            return f"the completion {example.completion!r} is no date. Write it as YYYY-MM-DD."
        return None

    def new_row_error(self, prompt: str, completion: str) -> str | None:
        """A free check of the teacher's rows."""
        return None if parse(completion) else f"{completion!r} is no date of the form YYYY-MM-DD."

    def stratify_key(self, example: Example) -> str:
        """A limit keeps the share of each month."""
        return example.completion[5:7]

    def score(self, example: Example, prediction: Prediction) -> Score:
        """The explanation is what the teacher reads of a failure."""
        expected, reply = parse(example.completion), parse(prediction.text)
        if reply is None:
            return Score(
                id=example.id, value=0.0, correct=False, explanation="The reply is no date as YYYY-MM-DD."
            )
        if reply == expected:
            return Score(id=example.id, value=1.0, correct=True, explanation="The date is right.")
        near = expected is not None and (reply.year, reply.month) == (expected.year, expected.month)
        part = "Only the day is wrong" if near else "The date is wrong"
        return Score(
            id=example.id,
            value=0.5 if near else 0.0,
            correct=False,
            explanation=f"{part}: {example.completion} was expected, {reply} came.",
        )


def parse(text: str) -> date | None:
    """The date of a text such as `2024-05-03`; None for any other text."""
    words = text.split()
    try:
        return date.fromisoformat(words[0]) if words and len(words[0]) == 10 else None
    except ValueError:
        return None
