"""Which task the answers speak for, why, and how sure that is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from app.prepare.decisions import Sureness
from app.prepare.drafts import Draft
from app.prepare.tables import FEWEST, InputError, excerpt
from trainer.data_files import DataError
from trainer.tasks import known_tasks, load_task
from trainer.tasks.json_fields import parse
from trainer.tasks.multiple_choice import offered_letters, parse_letter
from trainer.text import fold

MOST = 0.95
LABEL_LENGTH = 60
"""A label is rarely longer, in characters."""
MOST_LABELS = 500
SHORT = 40
"""Answers of such a length, in characters, can be met word for word."""
_FINAL_NUMBER = re.compile(r"####\s*-?[\d.,]+\s*$")


@dataclass
class TaskGuess:
    """A task and the reasons for it."""

    name: str
    kind: str
    """In words."""
    sureness: Sureness
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    """For classification: how many rows have each label."""


def guess_task(drafts: Sequence[Draft], said: str | None) -> TaskGuess:
    """The task that fits the rows.

    Args:
        drafts: all rows.
        said: the user's word for it, if there is one.

    Raises:
        InputError: there is no such task, or all answers are the same.
    """
    if said:
        return _said(drafts, said)
    answers = [draft.answer for draft in drafts]
    if len(answers) >= FEWEST and len(set(answers)) == 1:
        raise InputError(
            f"All {len(answers):,} rows have the same answer, {excerpt(answers[0], 40)!r}: there is nothing to learn. Name the "
            "column of the answer with --answer."
        )
    for guess in (_json, _choices, _numbers, _classification, _extractive, _exact):
        if found := guess(drafts, answers):
            return found
    return _open(answers)


def _said(drafts: Sequence[Draft], name: str) -> TaskGuess:
    try:
        load_task(name)
    except DataError as error:
        raise InputError(f"--task: {error}") from None
    kind = name if ":" in name else known_tasks()[name].name
    labels = count_labels(draft.answer for draft in drafts) if name == "classification" else Counter()
    return TaskGuess(name, kind, "sure", ["You said so."], labels=labels)


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / max(len(flags), 1)


def _json(drafts: Sequence[Draft], answers: list[str]) -> TaskGuess | None:
    found = [parse(answer) for answer in answers if answer[:1] in "{`"]
    objects = [fields for fields in found if fields is not None]
    if len(objects) < MOST * len(answers):
        return None
    keys = Counter(key for fields in objects for key in fields)
    shown = ", ".join(f"`{key}`" for key, _ in keys.most_common(6))
    rest = len(answers) - len(objects)
    reason = f"{'All' if not rest else f'{len(objects):,} of {len(answers):,}'} answers are JSON objects, with the fields {shown}."
    return TaskGuess("json_fields", "JSON objects, compared field by field", "sure", [reason])


def _choices(drafts: Sequence[Draft], answers: list[str]) -> TaskGuess | None:
    if all(draft.extra.get("choices") for draft in drafts):
        reason = "Every row has options; the student answers with a letter."
        return TaskGuess("multiple_choice", "multiple choice", "sure", [reason])
    fits = [
        len(draft.answer) <= 3
        and parse_letter(draft.answer) in offered_letters(draft.prompt)
        and len(offered_letters(draft.prompt)) > 1
        for draft in drafts
    ]
    if _share(fits) < MOST:
        return None
    reason = (
        f"{100 * _share(fits):.0f} % of the answers are a letter that stands before an option in the prompt."
    )
    return TaskGuess("multiple_choice", "multiple choice", "sure", [reason])


def _numbers(drafts: Sequence[Draft], answers: list[str]) -> TaskGuess | None:
    if _share([bool(_FINAL_NUMBER.search(answer)) for answer in answers]) < MOST:
        return None
    reason = "The answers end with `#### ` and a number, as GSM8K has it; the number is compared."
    return TaskGuess("gsm8k", "calculations with a final number", "sure", [reason])


def fold_label(text: str) -> str:
    """A label as it is compared: without case, spaces folded."""
    return " ".join(fold(text).split())


def count_labels(answers: Iterable[str]) -> Counter[str]:
    """How many rows have each label, spelled as most rows spell it."""
    spellings: dict[str, Counter[str]] = {}
    for answer in answers:
        spellings.setdefault(fold_label(answer), Counter())[answer] += 1
    return Counter({count.most_common(1)[0][0]: count.total() for count in spellings.values()})


def _classification(drafts: Sequence[Draft], answers: list[str]) -> TaskGuess | None:
    labels = count_labels(answers)
    repeated = sum(count for count in labels.values() if count > 1) / max(len(answers), 1)
    short = _share([len(answer) <= LABEL_LENGTH and "\n" not in answer for answer in answers])
    if len(labels) < 2 or len(labels) > min(MOST_LABELS, len(answers) / 3) or repeated < 0.85 or short < MOST:
        return None
    common = ", ".join(f"{label!r} ({count:,})" for label, count in labels.most_common(4))
    reason = f"{len(labels):,} different short answers stand for {len(answers):,} rows: {common}{', …' if len(labels) > 4 else ''}."
    sureness: Sureness = "sure" if repeated > 0.98 and len(labels) <= len(answers) / 8 else "likely"
    return TaskGuess("classification", "classification", sureness, [reason], _label_warnings(labels), labels)


def _label_warnings(labels: Counter[str]) -> list[str]:
    single = [label for label, count in labels.items() if count < 3]
    if not single:
        return []
    shown = ", ".join(f"{label!r}" for label in single[:5])
    more = f" and {len(single) - 5} more" if len(single) > 5 else ""
    return [
        f"Labels with fewer than three rows can hardly be tested: {shown}{more}. They may be typing errors."
    ]


def _extractive(drafts: Sequence[Draft], answers: list[str]) -> TaskGuess | None:
    fits = [draft.answer in draft.prompt and len(draft.prompt) > 3 * len(draft.answer) for draft in drafts]
    share = _share(fits)
    if share < 0.9:
        return None
    reason = f"{100 * share:.0f} % of the answers stand word for word in the prompt."
    sureness: Sureness = "sure" if share >= MOST and any(draft.passage for draft in drafts) else "likely"
    return TaskGuess("extractive_qa", "answers copied from a passage", sureness, [reason])


def _exact(drafts: Sequence[Draft], answers: list[str]) -> TaskGuess | None:
    lengths = sorted(map(len, answers))
    if lengths[len(lengths) // 2] > SHORT or lengths[int(0.9 * (len(lengths) - 1))] > 2 * SHORT:
        return None
    different = (
        "mostly different" if len(set(answers)) > len(answers) / 2 else "repeat, and are no set of labels"
    )
    reason = (
        f"The answers are short (half have {lengths[len(lengths) // 2]} characters or fewer) and {different}."
    )
    return TaskGuess("exact_match", "short texts, compared word for word", "likely", [reason])


def _open(answers: list[str]) -> TaskGuess:
    lengths = sorted(map(len, answers))
    reason = f"The answers are open text: half have more than {lengths[len(lengths) // 2]:,} characters."
    warning = (
        "Open text has no task of its own: `exact_match` counts only answers that are the same word for word, so that "
        "nearly all will count as wrong. Write a task that scores such answers (docs/reference/tasks.md), and name it with --task."
    )
    return TaskGuess("exact_match", "open text", "a guess", [reason], [warning])
