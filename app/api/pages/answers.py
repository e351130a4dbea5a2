"""What a student answers differently from the baseline, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel

from app.api.runs import files
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.artifacts import read_jsonl
from trainer.records import Example

Change = Literal["fixed", "broken", "still wrong", "still right"]
"""From the baseline to a later student."""


class AnswerChange(BaseModel):
    """A validation row with both answers to it."""

    id: str
    prompt: str
    expected: str
    before: str
    after: str
    change: Change


def scored_rounds(paths: RunPaths) -> list[int]:
    """The rounds whose students have answered the validation rows."""
    return [number for number in files.rounds(paths) if Round(paths, number).scores("validation")]


def answer_changes(paths: RunPaths, number: int) -> Iterator[AnswerChange]:
    """The validation rows in their order, with the answers of the baseline and of a round's student."""
    before, after = Round(paths, 0), Round(paths, number)
    was, now = ({each.id: each.correct for each in here.scores("validation")} for here in (before, after))
    old, new = ({each.id: each.text for each in here.predictions("validation")} for here in (before, after))
    for document in read_jsonl(paths.data("validation")):
        row = Example(**document)
        if row.id in was and row.id in now:
            yield AnswerChange(
                id=row.id,
                prompt=row.prompt,
                expected=row.completion,
                before=old[row.id],
                after=new[row.id],
                change=change_of(was[row.id], now[row.id]),
            )


def change_of(before: bool, after: bool) -> Change:
    """The name of a change from right or wrong to right or wrong."""
    if before:
        return "still right" if after else "broken"
    return "fixed" if after else "still wrong"
