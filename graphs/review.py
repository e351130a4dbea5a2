"""What a person may say of a round's patterns and strategies, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from graphs.rows import Pattern, Strategy
from trainer.specs import Strict

Drafts = dict[str, tuple[Pattern, Strategy]]
"""Pattern id -> the pattern and its strategy, in the order of the patterns."""


class Edit(Strict):
    """New texts for one pattern and its strategy; what is left out stays."""

    name: str | None = Field(None, min_length=1)
    description: str | None = Field(None, min_length=1)
    title: str | None = Field(None, min_length=1)
    instructions: str | None = Field(None, min_length=1)


class ReviewAnswer(Strict):
    """What a person says of the patterns and strategies that a run waits with; an empty answer approves all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"veto": ["r1-p2"], "edit": {"r1-p0": {"instructions": "Vary the dates."}}}]
        }
    )

    round: int | None = Field(
        None, description="The round that it is about: a review of another round does not take it."
    )
    merge: list[list[str]] = Field(
        [],
        description="Groups of pattern ids that are one: the first keeps its texts and gets the others' failures.",
    )
    edit: dict[str, Edit] = Field({}, description="New texts by pattern id; of merged ones by the first.")
    veto: list[str] = Field([], description="Ids of patterns that get no rows.")

    def fault(self, known: Sequence[str]) -> str | None:
        """Why the answer does not fit patterns with these ids, or None."""
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

    def apply(self, drafts: Drafts) -> Drafts:
        """The patterns and strategies after merges and edits; vetoed ones are still among them."""
        gone = {name for group in self.merge for name in group[1:]}
        merged = {group[0]: merge(drafts[name][0] for name in group) for group in self.merge}
        left = {
            name: (merged.get(name, pattern), strategy)
            for name, (pattern, strategy) in drafts.items()
            if name not in gone
        }
        for name, edit in self.edit.items():
            pattern, strategy = left[name]
            left[name] = (
                pattern.model_copy(
                    update=edit.model_dump(include={"name", "description"}, exclude_none=True)
                ),
                strategy.model_copy(
                    update=edit.model_dump(include={"title", "instructions"}, exclude_none=True)
                ),
            )
        return left


def merge(patterns: Iterable[Pattern]) -> Pattern:
    """The first pattern with the failures of all; the centroid is the mean over their analyses."""
    first, *others = patterns
    group = [first, *others]
    sizes = [len(pattern.failures) for pattern in group]
    centroid = np.average([pattern.centroid for pattern in group], axis=0, weights=sizes)
    return first.model_copy(
        update={
            "failures": [name for pattern in group for name in pattern.failures],
            "centroid": [float(value) for value in centroid],
        }
    )


def read_answer(value: object, known: Sequence[str]) -> ReviewAnswer | str:
    """A reviewer's answer, or why it is none."""
    try:
        answer = ReviewAnswer.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}."
    return answer.fault(known) or answer
