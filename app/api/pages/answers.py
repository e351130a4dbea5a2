"""What a student answers differently from the baseline, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from pydantic import BaseModel

from app.api.runs import files
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.artifacts import read_jsonl
from trainer.records import Example

Change = Literal["fixed", "broken", "still wrong", "still right"]
"""From the baseline to a later student."""
CHANGES: tuple[Change, ...] = get_args(Change)
Sort = Literal["file", "change", "length"]
SORTS: dict[Sort, str] = {
    "file": "as in the file",
    "change": "fixed and broken first",
    "length": "longest prompt first",
}
"""Order of the rows -> its name on the page."""


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


def find_answers(
    answers: Sequence[AnswerChange], change: Change | None, search: str, sort: Sort
) -> list[AnswerChange]:
    """The rows with this change whose id or texts have the searched words, each anywhere and in any case."""
    words = search.casefold().split()
    found = [
        each
        for each in answers
        if change in (None, each.change) and all(word in text_of(each) for word in words)
    ]
    if sort == "change":
        found.sort(key=lambda each: CHANGES.index(each.change))
    elif sort == "length":
        found.sort(key=lambda each: -len(each.prompt))
    return found


def text_of(answer: AnswerChange) -> str:
    """All that a row shows, for a search."""
    texts = (answer.id, answer.prompt, answer.expected, answer.before, answer.after)
    return "\n".join(texts).casefold()
