"""The sheets of a workbook: which one holds the rows, and why."""

from __future__ import annotations

import zipfile
from typing import Any

from app.prepare.decisions import SAID, Decision
from app.prepare.json_reader import SPLIT_NAMES
from app.prepare.tables import FEWEST, MAX_BYTES, InputError, ReadOptions, Source, Table, names

INSTALL = "Install the extra: pip install 'pada[tables]', or export the sheet as CSV (UTF-8)."
LOOKED_AT = 50
"""How many rows tell whether a sheet holds a table."""


def other_sheets(title: str, others: list[str]) -> str:
    """A sentence for who reads that a sheet cannot be used; empty where it is the only one."""
    if not others:
        return ""
    return f" This is the sheet {title!r}. To read another, pass --sheet: {names(others)}."


def library(name: str) -> Any:
    try:
        import openpyxl
    except ImportError:
        raise InputError(f"{name}: Excel files need openpyxl. {INSTALL}") from None
    return openpyxl


def sheet_xml(source: Source) -> dict[str, bytes]:
    """The XML of each sheet, by its path in the workbook; the sizes are checked before anything is unpacked."""
    with zipfile.ZipFile(source.path) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_BYTES:
            raise InputError(
                f"{source.name}: the workbook unpacks to more than {MAX_BYTES >> 20} MB. Split it."
            )
        return {
            name: archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/sheet")
        }


def sheet_titles(source: Source) -> list[str]:
    """The names of a workbook's sheets; empty for what is no workbook."""
    try:
        sheet_xml(source)
        return list(library(source.name).load_workbook(source.path, read_only=True).sheetnames)
    except (InputError, OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError):
        return []


def choose_sheets(book: Any, source: Source, options: ReadOptions) -> list[tuple[Any, Any]]:
    """The sheets to read, with the split that their names say."""
    sheets = list(book.worksheets)
    titles = [sheet.title for sheet in sheets]
    if options.sheet is not None:
        if options.sheet not in titles:
            raise InputError(
                f"--sheet: {source.name} has no sheet {options.sheet!r}; it has {names(titles)}."
            )
        return [(sheets[titles.index(options.sheet)], source.split)]
    splits = {sheet.title: SPLIT_NAMES.get(sheet.title.strip().casefold()) for sheet in sheets}
    if any(splits.values()) and source.split is None:
        return [(sheet, splits[sheet.title]) for sheet in sheets if splits[sheet.title]]
    visible = [sheet for sheet in sheets if sheet.sheet_state == "visible"]
    widths = {sheet.title: _widths(sheet) for sheet in visible}
    # a cover sheet has a title and some lines; a table has rows of two cells and more, and enough of them
    for least in (FEWEST + 1, 2):
        for sheet in visible:
            if sum(width > 1 for width in widths[sheet.title]) >= least:
                return [(sheet, source.split)]
    for sheet in visible:
        if any(widths[sheet.title]):
            return [(sheet, source.split)]
    raise InputError(f"{source.name}: no visible sheet has rows.")


def _widths(sheet: Any) -> list[int]:
    """How many cells of each of the first rows are filled."""
    rows = sheet.iter_rows(max_row=LOOKED_AT, values_only=True)
    return [sum(cell is not None and bool(str(cell).strip()) for cell in row) for row in rows]


def why_sheet(sheet: Any, split: Any, options: ReadOptions) -> Decision:
    """The sheet, and what speaks for it."""
    if options.sheet is not None:
        return Decision("sheet", f"The sheet {sheet.title!r} is read: {SAID}.", value=sheet.title)
    if split:
        return Decision("sheet", "The sheets' names say which split they are.")
    if len(sheet.parent.worksheets) == 1:
        return Decision("sheet", "The workbook has one sheet.", value=sheet.title)
    reason = f"The sheet {sheet.title!r} is read: it is the first with a table."
    return Decision("sheet", reason, "likely", sheet.title)


def note_others(table: Table, sheet: Any) -> None:
    """Name the sheets that were not read."""
    table.sheets = [other.title for other in sheet.parent.worksheets]
    others = [
        other.title
        for other in sheet.parent.worksheets
        if other.title != sheet.title and SPLIT_NAMES.get(other.title.strip().casefold()) is None
    ]
    if others:
        table.notes.append(
            f"{table.name}: the sheet {sheet.title!r} was read, and not {names(others)}; --sheet names another."
        )
    if sheet.sheet_state != "visible":
        table.notes.append(f"{table.name}: the sheet {sheet.title!r} is hidden.")
