"""How train rows write JSON answers: what means the same and is written in several ways is harder to learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from app.prepare.checks.findings import Finding, finding
from app.prepare.checks.rows import Rows
from app.prepare.json_answers import write_out
from trainer.tasks import Task
from trainer.tasks.json_fields import JsonFields, parse

MOST_FIELDS = 50
"""Fields of an answer whose order is compared."""


def check_json_form(rows: Rows, task: Task) -> list[Finding]:
    """Letters that are spelled by code, and fields that change places."""
    if not isinstance(task, JsonFields):
        return []
    train = rows.get("train", [])
    escaped = [row.place() for row in train if write_out(row.example.completion) != row.example.completion]
    moved = _moved([tuple(parse(row.example.completion) or {}) for row in train])
    return [
        *finding(
            "warning",
            "escaped_letters",
            "Answers spell letters by code, such as \\u00fc for ü. The student learns to write them so, in several tokens a "
            "letter. Write the letters themselves, which is the same JSON.",
            escaped,
        ),
        *finding(
            "note",
            "mixed_order",
            "Answers have their fields in another order than most. The order does not count in the score, and the student has to "
            "guess it. Write the fields in one order.",
            [row.place() for row, out in zip(train, moved, strict=True) if out],
        ),
    ]


def _moved(rows: list[tuple[str, ...]]) -> list[bool]:
    """For each row whether two of its fields stand the other way round than in most rows that have both."""
    before: Counter[tuple[str, str]] = Counter()
    for order, count in Counter(rows).items():
        for pair in _pairs(order):
            before[pair] += count
    moved = {order: any(before[pair] < before[pair[::-1]] for pair in _pairs(order)) for order in set(rows)}
    return [moved[order] for order in rows]


def _pairs(order: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each field with each one after it."""
    return combinations(order[:MOST_FIELDS], 2)
