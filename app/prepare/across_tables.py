"""What only all rows together say: the kind of the answers, how options are numbered, and what a file lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.prepare.columns import as_text, is_empty, may_hold, unpack, value_at
from app.prepare.layout import Layout
from app.prepare.tables import InputError, Place, Table, names

KIND_SHARE = 0.1
"""Answers of another kind than most are skipped as long as they are fewer; else the column is refused."""


def lacking_columns(table: Table, layout: Layout) -> str:
    """Which column a whole file lacks, where another file has it; empty if it has all."""
    if layout.chat:
        return ""
    wanted = [layout.prompt, layout.options, [layout.answer] if layout.answer else []]
    found = [
        group[0] for group in wanted if group and not any(may_hold(table.columns, name) for name in group)
    ]
    if not found:
        return ""
    return f"the file has no {names(found)}, only {names(table.columns)}. Name the columns of all files alike"


def common_kind(tables: Sequence[Table], layout: Layout) -> str:
    """What most answers are: a text or an object."""
    if layout.chat or layout.options:
        return ""
    first: dict[str, Place] = {}
    counts: Counter[str] = Counter()
    for table in tables:
        for record in table.records:
            value = value_at(record.values, layout.answer or "")
            if not is_empty(value):
                kind = "object" if isinstance(value, dict) and "text" not in value else "text"
                counts[kind] += 1
                first.setdefault(kind, record.place)
    if len(counts) == 2 and min(counts.values()) > KIND_SHARE * counts.total():
        # texts that are JSON objects themselves go with objects
        if _texts_are_objects(tables, layout):
            return ""
        raise InputError(
            f"The column `{layout.answer}` has texts ({counts['text']:,} rows, such as {first['text']}) and objects "
            f"({counts['object']:,} rows, such as {first['object']}). Make them all of one kind, or split the file."
        )
    return counts.most_common(1)[0][0] if len(counts) == 2 and not _texts_are_objects(tables, layout) else ""


def _texts_are_objects(tables: Sequence[Table], layout: Layout) -> bool:
    values = (value_at(record.values, layout.answer or "") for table in tables for record in table.records)
    return all(
        isinstance(unpack(value), dict) for value in values if isinstance(value, str) and value.strip()
    )


def first_option(tables: Sequence[Table], layout: Layout) -> int:
    """Whether numbers that name an option count from 0 or from 1."""
    if not layout.options:
        return 0
    found = [
        int(text)
        for table in tables
        for record in table.records
        if (text := as_text(value_at(record.values, layout.answer or "")).strip()).isdecimal()
    ]
    return 0 if not found or 0 in found else 1
