"""CSV: separators, quotes, headers, and records that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.prepare.tables import InputError
from tests.input_files import as_csv, mixed, pairs, read_one, requests, write

HARD = [
    ("Hello, I want my money; now | or else\tplease", "refund"),
    ('She said "no", twice', "card"),
    ("Two\nlines, and a third\n\nafter a blank", "bill"),
    ("C:\\path\\file", "card"),
    (" spaces around ", "bill"),
]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "^", "~"])
def test_any_separator_is_found(tmp_path: Path, separator: str) -> None:
    rows = [*HARD, *mixed(40)]
    assert pairs(read_one(write(tmp_path / "a.csv", as_csv(rows, separator=separator)))) == rows


def test_a_comma_in_every_text_does_not_hide_the_semicolon(tmp_path: Path) -> None:
    rows = [(f"Please, number {n} of, all", "a") for n in range(30)]
    content = "text;label\n" + "".join(f"{text};{label}\n" for text, label in rows)
    assert pairs(read_one(write(tmp_path / "a.csv", content))) == rows


def test_a_tsv_with_stray_quotation_marks_loses_no_line(tmp_path: Path) -> None:
    """The csv module alone would swallow all lines from one such mark to the next."""
    rows = [(f'"stray {n} opens' if n % 7 == 0 else f"plain text {n}", "ab"[n % 2]) for n in range(70)]
    content = "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows)
    table = read_one(write(tmp_path / "a.tsv", content))
    assert pairs(table) == rows
    assert "without quotes" in table.format


def test_one_open_quotation_mark_costs_one_line(tmp_path: Path) -> None:
    rows = [(f"text, number {n}", "ab"[n % 2]) for n in range(1000)]
    content = as_csv(rows).replace('"text, number 700"', '"text, number 700')
    table = read_one(write(tmp_path / "a.csv", content))
    assert pairs(table) == [row for row in rows if "700" not in row[0]]
    [item] = table.skipped
    assert item.place.number == 702
    assert "quotation mark" in item.reason


def test_backslashes_before_quotation_marks(tmp_path: Path) -> None:
    content = "text,label\n" + "".join(f'"He said \\"no, {n}\\", twice",a\n' for n in range(20))
    assert pairs(read_one(write(tmp_path / "a.csv", content)))[3] == ('He said "no, 3", twice', "a")


def test_records_with_another_number_of_fields_are_listed_with_their_line(tmp_path: Path) -> None:
    lines = as_csv(requests(20)).splitlines()
    lines[5] += ",extra"
    lines[9] = "alone"
    table = read_one(write(tmp_path / "a.csv", "\n".join(lines)))
    assert len(table.records) == 18
    assert [(item.place.number, item.reason.split(",")[0]) for item in table.skipped] == [
        (6, "3 fields"),
        (10, "1 field"),
    ]


def test_excels_first_line_names_the_separator(tmp_path: Path) -> None:
    rows = requests(10)
    table = read_one(write(tmp_path / "a.csv", "sep=;\r\n" + as_csv(rows, separator=";")))
    assert pairs(table) == rows
    assert table.records[0].place.number == 3


def test_the_users_separator_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text/label\n" + "".join(f"text {n}/a\n" for n in range(12)))
    assert pairs(read_one(path, separator="/"))[0] == ("text 0", "a")
    with pytest.raises(InputError, match="--separator"):
        read_one(path, separator="::")


def test_line_numbers_count_lines_and_not_records(tmp_path: Path) -> None:
    table = read_one(write(tmp_path / "a.csv", as_csv([("one\ntwo", "a"), ("three", "b"), ("four", "a")])))
    assert [record.place.number for record in table.records] == [2, 4, 5]


def test_no_header_is_an_error_until_the_user_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", as_csv(requests(20)).split("\n", 1)[1])
    with pytest.raises(InputError, match=r"a\.csv, line 1: this looks like a row"):
        read_one(path)
    table = read_one(path, header=False)
    assert table.columns == ["column_1", "column_2"]
    assert len(table.records) == 20


def test_a_header_in_another_language_is_a_header(tmp_path: Path) -> None:
    for header in (
        ("Frage", "Antwort"),
        ("質問", "回答"),
        ("प्रश्न", "उत्तर"),
        ("คำถาม", "คำตอบ"),
        ("Betreffzeile", "Team"),
    ):
        assert read_one(write(tmp_path / "a.csv", as_csv(requests(20), header))).columns == list(header)


def test_columns_whose_names_are_blank_are_numbered(tmp_path: Path) -> None:
    text = "question, ,answer,\nwhat?,x,this,y\n"
    table = read_one(write(tmp_path / "a.csv", text))
    assert table.columns == ["question", "column_2", "answer", "column_4"]
    two = text.replace("answer,", "answer,  ")
    assert read_one(write(tmp_path / "a.csv", two)).columns == table.columns


def test_values_stay_as_written(tmp_path: Path) -> None:
    rows = [("a question", value) for value in ("007", "1.50", "1e3", "TRUE", "NA", "null", "½")]
    assert pairs(read_one(write(tmp_path / "a.csv", as_csv(rows)))) == rows
