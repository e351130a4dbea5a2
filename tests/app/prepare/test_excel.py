"""Excel workbooks: what cells show, headers of two rows, formulas, sheets."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.prepare.tables import InputError
from tests.input_files import mixed, pairs, plan, read, read_one, requests


def workbook(path: Path, *sheets: tuple[str, list[list[Any]]], merge: tuple[str, ...] = ()) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        for span in merge:
            sheet.merge_cells(span)
    book.save(path)
    return path


def rows_of(count: int = 40) -> list[list[Any]]:
    return [["text", "label"], *map(list, mixed(count))]


def test_two_columns_are_read_with_their_rows(tmp_path: Path) -> None:
    table = read_one(workbook(tmp_path / "a.xlsx", ("Sheet", rows_of())))
    assert pairs(table) == mixed(40)
    assert str(table.records[0].place) == "a.xlsx, row 2"


def test_cells_are_text_as_the_sheet_shows_it(tmp_path: Path) -> None:
    cells = [
        (7, "General", "7"), (0.1 + 0.2, "General", "0.3"), (True, "General", "TRUE"), (0.125, "0.0%", "12.5%"),
        (123, "00000", "00123"), (2.5, "0.00", "2.50"), (date(2024, 3, 9), "dd.mm.yyyy", "2024-03-09"),
        (datetime(2024, 3, 9, 14, 5), "yyyy-mm-dd hh:mm", "2024-03-09 14:05:00"), (1e21, "General", "1e+21"),
    ]  # fmt: skip
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["text", "label"])
    for number, (value, how, _) in enumerate(cells, 2):
        sheet.cell(number, 1, "what is it?")
        sheet.cell(number, 2, value).number_format = how
    book.save(tmp_path / "a.xlsx")
    assert [label for _, label in pairs(read_one(tmp_path / "a.xlsx"))] == [shown for _, _, shown in cells]


def test_formulas_without_a_saved_value_and_errors_are_listed(tmp_path: Path) -> None:
    rows = rows_of()
    rows[5][1], rows[6][1] = "=1/0", "#REF!"
    path = workbook(tmp_path / "a.xlsx", ("Sheet", rows))
    made = plan(path)
    assert [(item.place.number, item.reason.split(".")[0]) for item in made.skipped] == [
        (6, "`label` is a formula whose value is not in the file"),
        (7, "`label` is the error #REF!"),
    ]


def test_an_error_in_a_passage_is_listed_too(tmp_path: Path) -> None:
    rows = [
        ["context", "question", "answer"],
        *[[f"passage {n}", text, a] for n, (text, a) in enumerate(mixed(40))],
    ]
    rows[6][0] = "#N/A"
    made = plan(workbook(tmp_path / "a.xlsx", ("Sheet", rows)))
    assert [(item.place.number, item.reason) for item in made.skipped] == [
        (7, "`context` is the error #N/A. Correct the formula")
    ]


def test_a_title_and_blank_rows_above_the_header_are_left_out_and_said(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["Support tickets 2024", None], [None, None], *rows_of(), [None, None]]
    table = read_one(workbook(tmp_path / "a.xlsx", ("Sheet", rows)))
    assert pairs(table) == mixed(40)
    assert any("a title, left out" in note for note in table.notes)


def test_a_header_with_merged_cells_is_read_from_both_rows(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Customer", None, "Answer", None],
        ["name", "text", "label", "name"],
        *[["x", t, a, "y"] for t, a in requests(30)],
    ]
    table = read_one(workbook(tmp_path / "a.xlsx", ("Sheet", rows), merge=("A1:B1", "C1:D1")))
    assert table.columns == ["Customer name", "text", "label", "Answer name"]
    assert pairs(table) == requests(30)


def test_rows_under_a_merged_cell_are_listed(tmp_path: Path) -> None:
    rows = rows_of()
    rows[11][1] = None
    table = read_one(workbook(tmp_path / "a.xlsx", ("Sheet", rows), merge=("B11:B12",)))
    assert [(item.place.number, "merged" in item.reason) for item in table.skipped] == [(12, True)]


def test_the_first_sheet_with_rows_is_read_and_the_others_named(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx", ("Empty", []), ("Tickets", rows_of()), ("Notes", [["a", "b"], [1, 2]])
    )
    table = read_one(path)
    assert pairs(table) == mixed(40)
    assert any("`Notes`" in note and "--sheet" in note for note in table.notes)
    assert len(read_one(path, sheet="Notes").records) == 1
    with pytest.raises(InputError, match="no sheet 'Nothing'"):
        read_one(path, sheet="Nothing")


def test_sheets_named_as_splits_are_splits(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ("Train", rows_of()), ("Test", rows_of(20)), ("Notes", [["x"]]))
    assert [(table.split, len(table.records)) for table in read(path)] == [("train", 40), ("test", 20)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no visible sheet has rows"),
        ([["text"], ["a"], ["b"]], "only one column, `text`"),
        ([["text", "label", "label"], ["a", "b", "c"]], "columns 2 and 3 are both named `label`"),
        ([["Text", "text ", "label"], ["a", "b", "c"]], "differ only by case or space"),
        (
            [["Please send me my money back as soon as you can, thanks.", "refund"], ["b", "c"]],
            "this looks like a row",
        ),
    ],
)
def test_what_is_no_table(tmp_path: Path, rows: list[list[Any]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan(workbook(tmp_path / "a.xlsx", ("Sheet", rows)))


def test_a_workbook_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ("Sheet", rows_of()))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings2.xml", b" " * (65 << 20))
    with pytest.raises(InputError, match="unpacks to more than 64 MB"):
        read_one(path)
