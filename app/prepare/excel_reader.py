"""Excel workbooks (.xlsx, .xlsm): values as the sheet shows them, and what a cell cannot give."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

from app.prepare.excel_sheets import choose_sheets, library, note_others, other_sheets, sheet_xml, why_sheet
from app.prepare.header import looks_like_names
from app.prepare.json_reader import refuse_signs
from app.prepare.tables import (
    MAX_ROWS,
    CellError,
    InputError,
    NoFormulaValue,
    ReadOptions,
    RowFault,
    Source,
    Table,
    column_names,
    names,
)

NO_VALUE = NoFormulaValue("#FORMULA")
_MERGE = re.compile(rb'<mergeCell ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_PERCENT = re.compile(r"0(?:\.(0+))?%")
_PADDED = re.compile(r"0{2,}")
_FIXED = re.compile(r"(?:#,##)?0\.(0+)(?:_\))?")
TITLE_ROWS = 20
"""How many rows above the header may hold a title or nothing."""


def read_excel(source: Source, options: ReadOptions) -> list[Table]:
    """The rows of a workbook's first sheet with rows, of the named one, or of sheets named as splits.

    Raises:
        InputError: openpyxl is missing, the file cannot be opened, or its sheet has no usable header.
    """
    openpyxl = library(source.name)
    xml = sheet_xml(source)
    try:
        book = openpyxl.load_workbook(source.path, read_only=True, data_only=True)
        formulas = (
            openpyxl.load_workbook(source.path, read_only=True)
            if any(b"<f>" in part or b"<f " in part for part in xml.values())
            else None
        )
        return [
            _read_or_hint(source, sheet, split, formulas, xml, options)
            for sheet, split in choose_sheets(book, source, options)
        ]
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{source.name}: the workbook cannot be read ({type(error).__name__}: {str(error)[:100]}). "
            "Open it in a spreadsheet program and save it again as .xlsx, or as CSV (UTF-8)."
        ) from None


def _read_or_hint(
    source: Source, sheet: Any, split: Any, formulas: Any, xml: dict[str, bytes], options: ReadOptions
) -> Table:
    """A sheet's rows; where it is no table, the other sheets are named."""
    try:
        return _read_sheet(source, sheet, split, formulas, xml, options)
    except InputError as error:
        others = [other.title for other in sheet.parent.worksheets if other.title != sheet.title]
        raise InputError(f"{error}{other_sheets(sheet.title, others)}") from None


def _read_sheet(
    source: Source, sheet: Any, split: Any, formulas: Any, xml: dict[str, bytes], options: ReadOptions
) -> Table:
    table = Table(source.name, split, f"Excel, sheet {sheet.title!r}")
    unit = "row" if len(sheet.parent.worksheets) == 1 else f"sheet {sheet.title!r}, row"
    table.decisions.append(why_sheet(sheet, split, options))
    note_others(table, sheet)
    merges = [
        (match[1].decode(), int(match[2]), match[3].decode(), int(match[4]))
        for match in _MERGE.finditer(xml.get(sheet._worksheet_path.lstrip("/"), b""))
    ]
    rows = _rows(sheet, formulas[sheet.title] if formulas else None, table)
    number, header = _header(rows, merges, options, table, unit)
    _fill(table, unit, number, header, rows, merges)
    return table


def _rows(sheet: Any, formulas: Any, table: Table) -> Iterator[tuple[int, list[Any]]]:
    """Row numbers and values as text, None for empty cells."""
    # a wrong `dimension` of other programs would hide rows
    sheet.reset_dimensions()
    if formulas is not None:
        formulas.reset_dimensions()
        table.notes.append(
            f"{table.name}: some cells are formulas; the values they had when the file was saved were taken."
        )
    twins = formulas.iter_rows() if formulas is not None else None
    for number, cells in enumerate(sheet.iter_rows(), 1):
        values = [_shown(cell) for cell in cells]
        if twins is not None:
            for place, twin in enumerate(next(twins, ())):
                if twin.data_type == "f" and place < len(values) and values[place] is None:
                    values[place] = NO_VALUE
        if number > MAX_ROWS:
            raise InputError(f"{table.name}: more than {MAX_ROWS:,} rows. Split the file.")
        yield number, values


def _shown(cell: Any) -> Any:
    """A cell's value as text: numbers and dates as the sheet shows them, in the common formats."""
    value = cell.value
    if value is None or isinstance(value, str):
        return CellError(value) if cell.data_type == "e" else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date | time | timedelta):
        return str(value)
    return _number(value, cell.number_format or "General")


def _number(value: int | float, how: str) -> str:
    """A number in its format where that is a plain one, else with the 15 digits that Excel keeps."""
    if found := _PERCENT.fullmatch(how):
        return f"{value:.{len(found[1] or '')}%}"
    if _PADDED.fullmatch(how) and value == int(value):
        return f"{int(value):0{len(how)}d}"
    if found := _FIXED.fullmatch(how):
        return f"{value:.{len(found[1])}f}"
    return str(value) if isinstance(value, int) else format(value, ".15g")


def _header(
    rows: Iterator[tuple[int, list[Any]]], merges: list[Any], options: ReadOptions, table: Table, unit: str
) -> tuple[int, list[str]]:
    """The header's row number and the names of the columns; titles above it are left out and noted."""
    titles: list[tuple[int, str]] = []
    for number, values in islice(rows, TITLE_ROWS):
        filled = [value for value in values if value is not None and str(value).strip()]
        if len(filled) == 1:
            titles.append((number, str(filled[0])))
        if len(filled) < 2:
            continue
        for title, text in titles:
            table.notes.append(f"{table.name}, {unit} {title}: a title, left out: {text[:60]!r}.")
        if any(top <= number <= bottom and left != right for left, top, right, bottom in merges):
            return _two_rows(number, values, rows, table, unit)
        found = [str(value or "").strip() for value in values]
        _refuse_row(found, filled, options, f"{table.name}, {unit} {number}")
        return number, [str(value) if value is not None else "" for value in values]
    if titles:
        raise InputError(
            f"{table.name}, {unit} {titles[0][0]}: only one column, {names([titles[0][1]])}. "
            "pada needs one with what is asked and one with the answer."
        )
    raise InputError(f"{table.name}: the sheet has no row of column names in its first {TITLE_ROWS} rows.")


def _refuse_row(found: list[str], filled: list[Any], options: ReadOptions, where: str) -> None:
    if options.header is not True and not looks_like_names([name for name in found if name], []):
        raise InputError(
            f"{where}: this looks like a row, not like the names of columns: {names([str(value) for value in filled])}. "
            "Write a row of names above it, or pass --header if these are the names."
        )


def _two_rows(
    number: int, upper: list[Any], rows: Iterator[tuple[int, list[Any]]], table: Table, unit: str
) -> tuple[int, list[str]]:
    """Names of a header with merged cells: the lower row's, after the upper one's where names would repeat."""
    lower_number, lower = next(rows, (number, []))
    width = max(len(upper), len(lower))
    above, groups = "", []
    for place in range(width):
        above = str(upper[place]).strip() if place < len(upper) and upper[place] is not None else above
        groups.append(above)
    own = [
        str(lower[place]).strip() if place < len(lower) and lower[place] is not None else ""
        for place in range(width)
    ]
    found = [
        f"{group} {name}".strip() if own.count(name) > 1 else (name or group)
        for group, name in zip(groups, own, strict=True)
    ]
    table.notes.append(
        f"{table.name}, {unit} {number}: a header of two rows with merged cells, read as {names(found)}."
    )
    return lower_number, found


def _fill(
    table: Table,
    unit: str,
    number: int,
    header: list[str],
    rows: Iterator[tuple[int, list[Any]]],
    merges: list[Any],
) -> None:
    while header and not header[-1].strip():
        header.pop()
    table.columns = column_names(header, f"{table.name}, {unit} {number}")
    width = len(table.columns)
    below = {row for _, top, _, bottom in merges for row in range(top + 1, bottom + 1)}
    for row, values in rows:
        if not any(value is not None and str(value).strip() for value in values):
            continue
        try:
            beyond = [value for value in values[width:] if value is not None]
            if beyond:
                raise RowFault(
                    f"a value beyond the last named column: {beyond[0]!r}. Name its column or remove it"
                )
            refuse_signs("".join(str(value) for value in values if value is not None))
            values += [None] * (width - len(values))
            found = dict(zip(table.columns, values, strict=False))
            if row in below and None in found.values():
                raise RowFault(
                    "a cell is merged with the one above it and has no value. Unmerge the cells and fill them"
                )
            table.add(unit, row, found)
        except RowFault as fault:
            table.skip(unit, row, str(fault), " | ".join(str(value or "") for value in values))
