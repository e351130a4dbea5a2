"""Rows without answers for `pada init --unlabeled`, in the columns of the rows with answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from app.prepare.chats import Turn, read_asked_turns
from app.prepare.columns import as_text, is_empty, may_hold, value_at
from app.prepare.drafts import read_choice, read_question
from app.prepare.files import read_all
from app.prepare.layout import Layout
from app.prepare.tables import InputError, ReadOptions, Record, RowFault, Skipped, Table, excerpt, names


def read_unlabeled(
    given: str, layout: Layout, options: ReadOptions
) -> tuple[list[dict[str, Any]], list[Skipped]]:
    """The rows of a file as they are written, and those that cannot be used.

    Args:
        layout: which column is what in the files with answers. A file with one column needs no such name.

    Raises:
        InputError: the file cannot be read, lacks the columns of what is asked, or has no row that can be used.
    """
    tables = read_all([given], options)
    layout = layout_of(tables, layout)
    rows: list[dict[str, Any]] = []
    skipped = [item for table in tables for item in table.skipped]
    for record in (record for table in tables for record in table.records):
        try:
            rows.append(asked(record, layout) | {"place": str(record.place)})
        except RowFault as fault:
            skipped.append(Skipped(record.place, str(fault), excerpt(as_text(record.values))))
    if not rows:
        first = f" {skipped[0].place}: {skipped[0].reason}." if skipped else ""
        raise InputError(f"--unlabeled {given}: no row can be used.{first}")
    return rows, skipped


def layout_of(tables: Sequence[Table], layout: Layout) -> Layout:
    """The columns to read. The only column of a file is what is asked, whatever its name."""
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    wanted = [layout.chat] if layout.chat else layout.prompt
    if len(columns) == 1 and not layout.chat and not layout.options:
        return replace(layout, prompt=columns, context=None, system=None)
    missing = [name for name in wanted if not may_hold(columns, name)]
    if missing:
        raise InputError(
            f"--unlabeled: there is no column {names(missing)}, which is what is asked in the rows with answers; the columns "
            f"are {names(columns)}. Name them alike."
        )
    return layout


def asked(record: Record, layout: Layout) -> dict[str, Any]:
    """A row without its answer.

    Raises:
        RowFault: nothing is asked.
    """
    values = record.values
    system = value_at(values, layout.system) if layout.system else None
    if layout.chat and not is_empty(value_at(values, layout.chat)):
        return {"messages": read_asked_turns(value_at(values, layout.chat), system)}
    if layout.options:
        prompt, _, texts, _ = read_choice(values, layout)
        return {"prompt": prompt, "choices": texts}
    if not layout.prompt:
        raise RowFault(f"`{layout.chat}` is empty. Fill it in or remove the row")
    prompt, _ = read_question(values, layout)
    if is_empty(system):
        return {"prompt": prompt}
    turns: list[Turn] = [{"role": "system", "content": as_text(system)}, {"role": "user", "content": prompt}]
    return {"messages": turns}
