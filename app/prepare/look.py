"""Looks at a file without making anything of it: the first rows, every guess with its reasons, the splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.config.splits import SPLITS
from app.prepare.columns import describe, sample
from app.prepare.csv_reader import read_csv
from app.prepare.decisions import About, Decision
from app.prepare.drafts import Draft
from app.prepare.encoding import open_text
from app.prepare.excel_sheets import sheet_titles
from app.prepare.files import read_all, reader_of
from app.prepare.layout import Choices
from app.prepare.plan import Plan, SplitOptions, make_plan
from app.prepare.preview import Preview, PreviewRow, Reason
from app.prepare.sizes import shown_by
from app.prepare.tables import InputError, ReadOptions, Source, Table

ROWS = 6
LISTED = 10
"""Rows that were left out, and contradictions, that are listed."""
COLUMNS = 200
"""Columns to choose from."""
TEXTS = (".csv", ".tsv", ".tab", ".txt")
"""Ends of the names of files with fields."""
CELL = 600
"""Most characters of a shown text."""


def make_preview(
    paths: Sequence[Path], reading: ReadOptions, said: Choices, splitting: SplitOptions
) -> tuple[Preview, Plan | None]:
    """What would be made of files, and the plan of it; None where nothing can be made."""
    try:
        tables = read_all([str(path) for path in paths], reading)
    except InputError as error:
        sources = [Source(path, path.name) for path in paths if path.is_file()]
        titles = [title for source in sources for title in sheet_titles(source)]
        correctable = bool(titles) or any(map(_may_be_csv, sources))
        return Preview(fault=str(error), sheets=titles, correctable=correctable), None
    known = _of_tables(tables)
    try:
        plan = make_plan(tables, said, splitting)
    except InputError as error:
        return known.model_copy(update={"fault": str(error)}), None
    return known.model_copy(update=_of_plan(plan, splitting)), plan


def _may_be_csv(source: Source) -> bool:
    """Whether a file is text with fields, so that another separator, header or encoding may help."""
    if not source.name.lower().removesuffix(".gz").endswith(TEXTS):
        return False
    try:
        open_text(source.path, source.name)
        return reader_of(source) is read_csv
    except InputError:
        return False


def _of_tables(tables: Sequence[Table]) -> Preview:
    records = [record for table in tables for record in table.records]
    order = list(dict.fromkeys(name for table in tables for name in table.columns))
    return Preview(
        files=[file_line(table) for table in tables],
        sheets=list(dict.fromkeys(title for table in tables for title in table.sheets)),
        columns=list(describe(sample(records), order))[:COLUMNS],
        reasons=_reasons([decision for table in tables[:1] for decision in table.decisions]),
        notes=[note for table in tables for note in table.notes],
        read=len(records),
    )


def file_line(table: Table) -> str:
    """A file in words: its rows, and how it was read."""
    count = len(table.records) + len(table.skipped)
    return f"{table.name}: {count:,} row{'s' * (count != 1)}, {table.format}"


def _of_plan(plan: Plan, splitting: SplitOptions) -> dict[str, object]:
    layout, splits = plan.layout, {split: len(plan.rows[split]) for split in SPLITS}
    decided = [decision for table in plan.tables[:1] for decision in table.decisions]
    decided += [*layout.decisions, _sizes(splitting)]
    decided += [Decision("task", reason, plan.task.sureness) for reason in plan.task.reasons]
    return {
        "prompt": [layout.chat] if layout.chat else layout.prompt,
        "answer": "" if layout.chat else layout.answer or "",
        "group": layout.group or "",
        "time": layout.time or "",
        "task": plan.task.name,
        "kind": plan.task.kind,
        "reasons": _reasons(decided),
        "rows": [_row(draft) for draft in first_drafts(plan, ROWS)],
        "splits": splits,
        "shows": {split: shown_by(splits[split]) for split in SPLITS[1:]},
        "notes": plan.notes,
        "warnings": plan.task.warnings,
        "conflicts": [str(conflict) for conflict in plan.conflicts[:LISTED]],
        "skipped": [f"{item.place}: {item.reason}" for item in plan.skipped[:LISTED]],
        "left_out": len(plan.skipped),
        "read": plan.read,
    }


def _sizes(splitting: SplitOptions) -> Decision:
    if splitting.validation or splitting.test:
        return Decision("sizes", "You said so.")
    return Decision(
        "sizes",
        "As many test rows as show a difference of 5 points, at most a quarter of all; validation 7 points, at most a fifth.",
    )


def _reasons(decisions: Sequence[Decision]) -> dict[About, list[Reason]]:
    found: dict[About, list[Reason]] = {}
    for about, text, sureness, value in decisions:
        found.setdefault(about, []).append(Reason(text=text, sureness=sureness, value=value))
    return found


def first_drafts(plan: Plan, count: int) -> list[Draft]:
    """The first rows of the file that are used."""
    drafts = [draft for split in plan.rows.values() for draft in split]
    return sorted(drafts, key=lambda draft: draft.place.number)[:count]


def asked_text(draft: Draft) -> str:
    """What is asked, with who says it where it is a conversation."""
    if not draft.messages:
        return draft.prompt
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in draft.messages[:-1])


def _row(draft: Draft) -> PreviewRow:
    return PreviewRow(
        asked=shortened(asked_text(draft), CELL), answer=shortened(draft.answer, CELL), place=str(draft.place)
    )


def shortened(text: str, length: int) -> str:
    """A text's beginning and end: the end of a prompt often tells more than its beginning, which all rows may share.

    Control signs of a stranger's file become `�`.
    """
    shown = text if len(text) <= length else f"{text[: length // 2]} … {text[-length // 2 :]}"
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in shown)
