"""Rows that say the same: kept once, kept on one side, or warned of."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from app.prepare.drafts import Draft
from app.prepare.tables import Skipped, excerpt
from app.prepare.task import fold_label
from trainer.text import comparable

ORDER = {"test": 0, "validation": 1, None: 2, "train": 3}
"""Of equal rows in given splits, test keeps its own, and train gives way."""


@dataclass(frozen=True)
class Conflict:
    """Two rows that ask the same and are answered differently."""

    one: Draft
    other: Draft

    def __str__(self) -> str:
        return (
            f"{self.one.place} ({excerpt(self.one.answer, 40)!r}) and {self.other.place} "
            f"({excerpt(self.other.answer, 40)!r}) ask the same: {excerpt(self.one.asked, 60)!r}"
        )


def same_question(draft: Draft) -> str:
    """What two rows that ask the same have in common; never empty."""
    # whatever `pada run` takes for the same prompt is the same here
    return comparable(f"{draft.system}\n{draft.asked}")


def drop_repeats(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Skipped]]:
    """The rows without those that are the same as another, and without those whose question another split asks.

    Of equal rows the first is kept, but in given splits that of the test.
    """
    order = sorted(range(len(drafts)), key=lambda place: (ORDER[drafts[place].split], place))
    rows: dict[tuple[str, str, str], Draft] = {}
    asked: dict[str, Draft] = {}
    dropped: dict[int, Skipped] = {}
    for place in order:
        draft = drafts[place]
        key = (draft.system, draft.asked, draft.answer)
        first = asked.setdefault(same_question(draft), draft)
        if key in rows:
            dropped[place] = _skip(draft, f"the same row as {rows[key].place}; it is kept once")
        elif first.split != draft.split:
            dropped[place] = _skip(
                draft,
                f"the {first.split or 'train'} row {first.place} asks the same; no split may hold rows of another",
            )
        else:
            rows[key] = draft
    kept = [draft for place, draft in enumerate(drafts) if place not in dropped]
    return kept, [dropped[place] for place in sorted(dropped)]


def _skip(draft: Draft, reason: str) -> Skipped:
    return Skipped(draft.place, reason, excerpt(draft.asked))


def conflicts(drafts: Sequence[Draft]) -> list[Conflict]:
    """Rows that ask the same as an earlier one and are answered differently, but for case and spaces."""
    first: dict[str, Draft] = {}
    found = []
    for draft in drafts:
        one = first.setdefault(same_question(draft), draft)
        if fold_label(one.answer) != fold_label(draft.answer):
            found.append(Conflict(one, draft))
    return found


def unify_labels(drafts: Sequence[Draft]) -> list[str]:
    """Write each label as most rows write it; a sentence for each other spelling."""
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for draft in drafts:
        spellings[fold_label(draft.answer)][draft.answer] += 1
    usual = {key: count.most_common(1)[0][0] for key, count in spellings.items()}
    for draft in drafts:
        wanted = usual[fold_label(draft.answer)]
        if draft.answer != wanted:
            draft.answer = wanted
            if draft.messages:
                draft.messages[-1]["content"] = wanted
    return [
        f"{count:,} {'answer' if count == 1 else 'answers'} {_shown(spelling, usual[key])} became "
        f"{_shown(usual[key], spelling)}: only case, spaces or the composition of signs differ."
        for key, counts in spellings.items()
        for spelling, count in counts.items()
        if spelling != usual[key]
    ]


def _shown(text: str, other: str) -> str:
    """A label in quotes; by the codes of its signs where it looks like the other."""
    alike = unicodedata.normalize("NFC", text) == unicodedata.normalize("NFC", other)
    return ascii(text) if alike else repr(text)
