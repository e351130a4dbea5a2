"""Parquet, folders, the hub, and files that are something else."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from app.prepare.layout import Choices
from app.prepare.tables import InputError
from tests.input_files import as_csv, as_jsonl, mixed, pairs, plan, read, read_one, requests, write

ROWS = [{"text": text, "label": label} for text, label in mixed(40)]
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def parquet(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


def test_parquet(tmp_path: Path) -> None:
    assert pairs(read_one(parquet(tmp_path / "a.parquet", ROWS))) == mixed(40)


def test_parquet_keeps_types_as_text_and_lists_as_they_are(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {
            "day": date(2024, 3, 9),
            "price": Decimal("1.50"),
            "blob": "é".encode(),
            "nan": float("nan"),
            "turns": [{"role": "user", "content": "a"}],
        }
    ]
    assert read_one(parquet(tmp_path / "a.parquet", rows)).records[0].values == {
        "day": "2024-03-09", "price": "1.50", "blob": "é", "nan": None, "turns": [{"role": "user", "content": "a"}],
    }  # fmt: skip


PICTURE = b"\x89PNG\r\n\x1a\n\x00\xff"
PICTURES = {
    "bytes": PICTURE,
    "as the hub stores them": {"bytes": PICTURE, "path": "1.png"},
    "several": [PICTURE, PICTURE],
    "zeros": bytes(8),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_bytes_that_are_no_text_are_left_out_and_said(tmp_path: Path, picture: object) -> None:
    made = plan(parquet(tmp_path / "a.parquet", [{"image": picture, **row} for row in ROWS]))
    assert made.tables[0].columns == ["text", "label"]
    assert [note for note in made.notes if note.startswith("a.parquet: the column `image` was left out")]
    assert sorted((d.prompt, d.answer) for rows in made.rows.values() for d in rows) == sorted(mixed(40))


def test_bytes_in_the_place_of_what_is_asked_are_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", [{"prompt": PICTURE, "label": row["label"]} for row in ROWS])
    with pytest.raises(InputError, match=r"only one column, `label`.*`prompt` was left out"):
        plan(path)
    with pytest.raises(InputError, match=r"--prompt: there is no column 'prompt'.*`prompt` was left out"):
        plan(path, said=Choices(prompt=["prompt"]))


def test_texts_stored_as_bytes_are_read_and_a_row_of_other_bytes_is_listed(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": row["text"].encode(), "label": row["label"]} for row in ROWS]
    rows[6]["text"] = PICTURE
    made = plan(parquet(tmp_path / "a.parquet", rows))
    assert [str(item.place) for item in made.skipped] == ["a.parquet, row 7"]
    assert "`text` holds bytes that are no text" in made.skipped[0].reason
    assert {d.prompt for kept in made.rows.values() for d in kept} == {
        text for n, (text, _) in enumerate(mixed(40)) if n != 6
    }


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    data = parquet(tmp_path / "a.parquet", ROWS).read_bytes()
    with pytest.raises(InputError, match=r"b\.parquet: the Parquet file cannot be read"):
        read(write(tmp_path / "b.parquet", data[: len(data) // 2]))


@pytest.mark.parametrize(("module", "name"), [("openpyxl", "a.xlsx"), ("pyarrow", "a.parquet")])
def test_a_missing_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    path = tmp_path / name
    if module == "pyarrow":
        parquet(path, ROWS)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("xl/workbook.xml", "")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'pada\[tables\]'"):
        read(path)


def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"^a\.csv: a device or a pipe.*Save them in a file\.$"):
        read(tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"^null: a device or a pipe"):
        read(Path("/dev/null"))


def test_a_folder_with_splits_keeps_them_and_names_what_it_leaves(tmp_path: Path) -> None:
    for name, rows in (("train", ROWS[:20]), ("dev", ROWS[20:30]), ("test", ROWS[30:])):
        write(tmp_path / f"{name}.jsonl", as_jsonl(rows))
    write(tmp_path / "labels.json", '["refund", "card"]')
    write(tmp_path / "README.md", "# Rows")
    tables = read(tmp_path)
    assert {table.split: len(table.records) for table in tables} == {
        "train": 20,
        "validation": 10,
        "test": 10,
    }
    assert any("`labels.json`" in note for table in tables for note in table.notes)


def test_a_folder_without_splits_is_one_data_set(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    write(tmp_path / "a.csv", as_csv(mixed(40)[:20]))
    write(tmp_path / "part" / "b.jsonl", as_jsonl(ROWS[20:]))
    assert [(table.name, table.split, len(table.records)) for table in read(tmp_path)] == [
        ("a.csv", None, 20), ("part/b.jsonl", None, 20),
    ]  # fmt: skip


def test_a_file_whose_columns_have_other_names_is_listed_as_such(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", as_csv(mixed(80)[:50]))
    write(tmp_path / "b.csv", as_csv(mixed(80)[50:], ("query", "label")))
    made = plan(tmp_path, said=Choices(prompt=["text"]))
    assert {item.place.file for item in made.skipped} == {"b.csv"}
    assert {item.reason for item in made.skipped} == {
        "the file has no `text`, only `query`, `label`. Name the columns of all files alike"
    }


def test_a_folder_without_data(tmp_path: Path) -> None:
    write(tmp_path / "README.md", "# Rows")
    with pytest.raises(InputError, match="no file that ends with"):
        read(tmp_path)


def test_missing_splits_are_taken_out_of_train(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", as_jsonl([{"text": t, "label": a} for t, a in requests(60)]))
    write(
        tmp_path / "test.jsonl", as_jsonl([{"text": t + " late", "label": a} for t, a in requests(90)[60:]])
    )
    made = plan(tmp_path)
    assert len(made.rows["test"]) == 30
    assert {d.place.file for d in made.rows["validation"]} == {"train.jsonl"}
    assert len(made.rows["train"]) + len(made.rows["validation"]) == 60


def test_prompts_that_given_splits_share_stay_in_test(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", as_jsonl(ROWS[:30]))
    write(tmp_path / "test.jsonl", as_jsonl(ROWS[25:]))
    made = plan(tmp_path)
    assert [str(item.place) for item in made.skipped] == [f"train.jsonl, line {n}" for n in range(26, 31)]
    assert all("the same row as test.jsonl, line" in item.reason for item in made.skipped)


def test_the_hub_by_a_local_folder(tmp_path: Path) -> None:
    """There is no network in the tests: the library reads a saved data set, and a folder of files."""
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    split = datasets.Dataset.from_list(
        [{"text": f"text {n}", "label": n % 2} for n in range(20)], features=features
    )
    datasets.DatasetDict(
        {"train": split, "test": split.select(range(5)), "unsupervised": split}
    ).save_to_disk(tmp_path / "saved")
    tables = read(f"hub:{tmp_path / 'saved'}")
    assert [(table.split, len(table.records)) for table in tables] == [("train", 20), ("test", 5)]
    assert pairs(tables[0])[:2] == [("text 0", "no"), ("text 1", "yes")]
    assert any("`unsupervised`" in note for note in tables[0].notes)


def test_pictures_of_the_hub_are_left_out_and_said(tmp_path: Path) -> None:
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.Value("string"),
            "image": datasets.Image(),
            "frames": datasets.List(datasets.Image()),
        }
    )
    picture = {"bytes": PICTURE, "path": None}
    rows = [{"text": t, "label": a, "image": picture, "frames": [picture]} for t, a in mixed(40)]
    datasets.Dataset.from_list(rows, features=features).save_to_disk(tmp_path / "saved")
    [table] = read(f"hub:{tmp_path / 'saved'}")
    assert pairs(table) == mixed(40)
    assert "the columns `image`, `frames` were left out" in " ".join(table.notes)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(99), "a PNG picture"),
        ("a.txt", b"%PDF-1.7 \n", "a PDF"),
        ("a.dat", bytes(range(256)) * 30, "a.dat, line 1: byte 0x00 is in no text: a binary file"),
        ("a.csv", b"text,label\n" + b"hello,a\n" * 3 + bytes(400), "a.csv, line 5: byte 0x00 .* was damaged"),
        ("a.xlsx", bytes(range(256)) * 30, "does not begin as an Excel workbook does"),
        ("a.parquet", bytes(range(256)) * 30, "does not begin as a Parquet file does"),
        ("a.xls", b"<html><table><tr><td>text</td>", "an HTML or XML file"),
        ("a.xls", b'<?xml version="1.0"?>\n<Workbook>', "an HTML or XML file"),
        ("a.csv", b"text,label\n" + b"".join(b"hello %d,a\n" % n for n in range(30)), "All 30 rows have the same answer, 'a'.*--answer"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.json", b'[{"text": "a\x00b"}]' + b" " * 99, "a.json: the row holds a NUL byte"),
        ("a.pkl", b"\x80\x04\x95" + bytes(99), "a Python pickle"),
        ("a.xls", OLE, r"old Excel file \(\.xls\)"),
        ("a.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        ("a.xlsx", b"PK\x03\x04 and no more", "the file is damaged"),
        ("a.csv", b"text\nhello\nworld\n", "only one column, `text`"),
        ("a.csv", b"text,label\n", "no rows below the names"),
        ("a.csv", b"text,label\n" + b"hello,a\n" * 3, "three splits need 10"),
        ("a.csv", b"text,label\n" + b"hello,\n" * 30, "`label` without any value"),
        ("a.csv", b"text,label\n" + b"hello,a,b\n" * 30 + b"hello,a\n", "this|fields"),
        ("a.csv", b"text,label\rhello,a\r", "carriage return"),
        ("a.jsonl", b'{"text": "a"}\n' * 20, "only one column"),
        ("a.jsonl", b"hello\nworld\n", "column 1"),
    ],
)  # fmt: skip
def test_one_clear_error_that_names_the_file(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        plan(write(tmp_path / name, content))
    assert name in str(caught.value) or "rows" in str(caught.value)
    assert "\n" not in str(caught.value) or "Most rows" in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"nothing\.csv: there is no such file"):
        read("nothing.csv")


def test_a_name_that_is_empty_is_not_the_current_folder() -> None:
    with pytest.raises(InputError, match="the name of a file is empty"):
        read("")
