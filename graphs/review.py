"""A reviewer's answer about a round's patterns, strategies or rows: its checks and its effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ConfigDict, Field, ValidationError, field_validator

from graphs.context import Reviewed
from graphs.rows import NewRow, Pattern, Strategy, Verdict
from trainer.strict import Strict

ANSWER_KEYS: dict[Reviewed, tuple[str, ...]] = {
    "patterns": ("merge", "edit", "veto"),
    "rows": ("accept", "reject"),
}
"""The keys of an answer that apply to each subject."""
FINAL: dict[Verdict, str] = {
    "leak": "too close to a validation or test row",
    "invalid": "not valid for the task",
    "empty": "without text",
    "schema": "not a prompt and a completion",
}
"""Verdicts that no reviewer can overrule, and what they mean."""
MAX_DECISIONS = 500
"""Maximum rows that one answer accepts, and that it rejects. The graph's checkpoint keeps every answer."""
MAX_EDITED_BYTES = 24_000
"""Maximum bytes of all new texts in one answer, for the same reason."""
SHOWN = 5
"""Number of ids that an error message names."""

Drafts = dict[str, tuple[Pattern, Strategy]]
"""Pattern id -> the pattern and its strategy, in the order of the patterns."""


class Edit(Strict):
    """New texts for one pattern and its strategy. A text that is left out stays as it is."""

    name: str | None = Field(None, min_length=1)
    description: str | None = Field(None, min_length=1)
    title: str | None = Field(None, min_length=1)
    instructions: str | None = Field(None, min_length=1)


@dataclass(frozen=True)
class Question:
    """What a run asks a reviewer, and the ids that an answer may name."""

    about: Reviewed
    round: int
    patterns: Sequence[str] = ()
    rows: Mapping[str, Verdict] = field(default_factory=dict)
    """Row id -> the checks' verdict."""


class ReviewAnswer(Strict):
    """A person's answer to a run that waits for a review of patterns and strategies, or of rows.

    An empty answer changes nothing.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"veto": ["r1-p2"], "edit": {"r1-p0": {"instructions": "Vary the dates."}}},
                {"about": "rows", "round": 1, "reject": ["r1-b3-a1-0"], "accept": ["r1-b4-a2-1"]},
            ]
        }
    )

    about: Reviewed | None = Field(
        None, description="What the review is about. An answer to a review about something else is refused."
    )
    round: int | None = Field(
        None, description="The round of the review. An answer to the review of another round is refused."
    )
    merge: list[list[str]] = Field(
        [],
        description="Groups of pattern ids to merge. The first keeps its texts and gets all failures.",
    )
    edit: dict[str, Edit] = Field(
        {}, description="Pattern id -> new texts. For merged patterns, use the id of the first."
    )
    veto: list[str] = Field([], description="Ids of patterns that get no rows.")
    accept: list[str] = Field(
        [],
        max_length=MAX_DECISIONS,
        description="Ids of rejected rows to train on: duplicates, or rejected by the judge; never leaks.",
    )
    reject: list[str] = Field([], max_length=MAX_DECISIONS, description="Ids of accepted rows to leave out.")

    @field_validator("edit")
    @classmethod
    def _not_too_long(cls, edit: dict[str, Edit]) -> dict[str, Edit]:
        size = sum(
            len(text.encode()) for one in edit.values() for text in one.model_dump(exclude_none=True).values()
        )
        if size > MAX_EDITED_BYTES:
            raise ValueError(
                f"the new texts have {size:,} bytes together; the maximum is {MAX_EDITED_BYTES:,}"
            )
        return edit

    def answering(self, question: Question) -> ReviewAnswer:
        """The same answer, bound to this question."""
        return self.model_copy(update={"about": question.about, "round": question.round})

    def fault(self, question: Question) -> str | None:
        """Why the answer does not fit the question, or None."""
        if misplaced := self._misplaced(question):
            return misplaced
        if question.about == "patterns":
            return self._pattern_fault(question.patterns)
        return self._row_fault(question.rows)

    def _misplaced(self, question: Question) -> str | None:
        if self.round not in (None, question.round):
            return f"The review is about round {question.round}, not {self.round}."
        if self.about not in (None, question.about):
            return f"The review is about {question.about}, not {self.about}."
        others = [key for about, keys in ANSWER_KEYS.items() if about != question.about for key in keys]
        if given := [key for key in others if getattr(self, key)]:
            takes = ", ".join(ANSWER_KEYS[question.about])
            return f"The review is about {question.about}: it takes {takes}, not {', '.join(given)}."
        return None

    def _pattern_fault(self, known: Sequence[str]) -> str | None:
        merged = Counter(name for group in self.merge for name in group)
        named = {*merged, *self.edit, *self.veto}
        if unknown := sorted(named - set(known)):
            return f"No such pattern: {', '.join(unknown)}; there are {', '.join(known)}."
        if twice := [name for name, count in merged.items() if count > 1]:
            return f"Merged more than once: {', '.join(twice)}."
        if any(len(group) < 2 for group in self.merge):
            return "A merge needs two patterns or more."
        gone = {name for group in self.merge for name in group[1:]}
        if lost := sorted(gone & {*self.edit, *self.veto}):
            return f"Merged into another, so they can be neither edited nor vetoed: {', '.join(lost)}."
        return None

    def _row_fault(self, verdicts: Mapping[str, Verdict]) -> str | None:
        accepted, rejected = set(self.accept), set(self.reject)
        if unknown := sorted((accepted | rejected) - verdicts.keys()):
            return f"No such row in this round: {first_of(unknown)}."
        if both := sorted(accepted & rejected):
            return f"Both accepted and rejected: {first_of(both)}."
        if final := sorted(name for name in accepted if verdicts[name] in FINAL):
            why = [f"{name} ({verdicts[name]}: {FINAL[verdicts[name]]})" for name in final]
            return f"No reviewer can accept these rows: {first_of(why)}."
        return None

    def decide(self, rows: Iterable[NewRow]) -> list[NewRow]:
        """The rows with the reviewer's verdicts. Rows that the answer does not name keep theirs."""
        accepted, rejected = set(self.accept), set(self.reject)

        def decided(row: NewRow) -> NewRow:
            if row.id in accepted and row.verdict != "accepted":
                return row.overrule("accepted", "A reviewer accepted it.")
            if row.id in rejected and row.verdict == "accepted":
                return row.overrule("reviewer", "A reviewer rejected it.")
            return row

        return [decided(row) for row in rows]

    def apply(self, drafts: Drafts) -> Drafts:
        """The patterns and strategies after merges and edits, including the vetoed ones."""
        gone = {name for group in self.merge for name in group[1:]}
        merged = {group[0]: merge(drafts[name][0] for name in group) for group in self.merge}
        kept = {
            name: (merged.get(name, pattern), strategy)
            for name, (pattern, strategy) in drafts.items()
            if name not in gone
        }
        for name, edit in self.edit.items():
            pattern, strategy = kept[name]
            kept[name] = (
                pattern.model_copy(
                    update=edit.model_dump(include={"name", "description"}, exclude_none=True)
                ),
                strategy.model_copy(
                    update=edit.model_dump(include={"title", "instructions"}, exclude_none=True)
                ),
            )
        return kept


def merge(patterns: Iterable[Pattern]) -> Pattern:
    """The first pattern, with the failures of all. Its centroid is the mean over all their analyses."""
    first, *others = patterns
    group = [first, *others]
    sizes = [len(pattern.failures) for pattern in group]
    centroid = [
        sum(value * size for value, size in zip(values, sizes, strict=True)) / sum(sizes)
        for values in zip(*(pattern.centroid for pattern in group), strict=True)
    ]
    return first.model_copy(
        update={
            "failures": [name for pattern in group for name in pattern.failures],
            "centroid": centroid,
        }
    )


def read_answer(value: object, question: Question) -> ReviewAnswer | str:
    """A reviewer's answer, or the reason why it does not fit the question."""
    try:
        answer = ReviewAnswer.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}."
    return answer.fault(question) or answer


def first_of(names: Sequence[str]) -> str:
    """The first `SHOWN` names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
