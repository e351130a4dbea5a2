"""Encodings: found out, named, and mixed in one file."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

import pytest

from app.prepare.encoding import open_text
from app.prepare.legacy_encodings import detect
from app.prepare.tables import InputError
from tests.input_files import (
    GERMAN,
    HINDI,
    JAPANESE,
    THAI,
    as_csv,
    mixed,
    pairs,
    plan,
    read_one,
    requests,
    write,
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_in_every_form_gives_the_same_rows(tmp_path: Path, encoding: str) -> None:
    # without a mark UTF-16 is told by the zero bytes of ASCII signs, which a table of labels has
    rows = mixed(40)
    table = read_one(write(tmp_path / "a.csv", as_csv(rows), encoding))
    assert pairs(table) == rows


@pytest.mark.parametrize(
    ("texts", "encoding"),
    [
        (GERMAN, "cp1252"),
        (GERMAN, "latin-1"),
        (JAPANESE, "cp932"),
        (THAI, "cp874"),
        (("Где моя карта? Верните деньги", "Не могу войти в приложение", "Счёт слишком большой"), "cp1251"),
        (
            ("Zażółć gęślą jaźń, proszę", "Gdzie jest moja karta? Proszę", "Rachunek jest za wysoki, żółw"),
            "cp1250",
        ),
        (("我的银行卡丢了怎么办", "请退款给我", "账单太高了"), "gb18030"),
    ],
)
def test_eight_bit_files_are_read_and_named(tmp_path: Path, texts: tuple[str, ...], encoding: str) -> None:
    rows = requests(60, texts)
    table = read_one(write(tmp_path / "a.csv", as_csv(rows), encoding))
    assert pairs(table) == rows
    assert "UTF-8" not in table.format
    first = next(n for n, (text, _) in enumerate(rows, 2) if not text.isascii())
    assert any(f"because line {first} is not UTF-8" in note for note in table.notes)
    assert any("--encoding" in note for note in table.notes)


def test_latin_1_is_named_as_such(tmp_path: Path) -> None:
    assert (
        "Windows-1252 (Latin-1)"
        in read_one(write(tmp_path / "a.csv", as_csv(requests(30)), "latin-1")).format
    )


def test_lines_in_two_encodings_are_each_read_in_their_own(tmp_path: Path) -> None:
    rows = [*requests(50, GERMAN), *requests(50, HINDI), *requests(50, THAI)]
    lines = as_csv(rows).splitlines(keepends=True)
    data = b"".join(line.encode("cp1252" if n <= 50 else "utf-8") for n, line in enumerate(lines))
    table = read_one(write(tmp_path / "a.csv", data))
    assert pairs(table) == rows
    count = sum(not text.isascii() for text, _ in rows[:50])
    first = next(n for n, (text, _) in enumerate(rows, 2) if not text.isascii())
    assert any(
        f"{count} lines, the first of them line {first}, are Windows-1252" in note for note in table.notes
    )


def test_the_users_word_for_the_encoding_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", as_csv([("naïve Ÿ", "a")]), "mac_roman")
    assert pairs(read_one(path, encoding="mac_roman")) == [("naïve Ÿ", "a")]
    with pytest.raises(InputError, match="no encoding 'klingon'"):
        read_one(path, encoding="klingon")


def test_lines_that_do_not_fit_the_users_encoding_are_listed(tmp_path: Path) -> None:
    data = as_csv(requests(20)).encode() + "Zürich,refund\n".encode("cp1252")
    table = read_one(write(tmp_path / "a.csv", data), encoding="utf-8")
    assert len(table.records) == 20
    assert [item.place.number for item in table.skipped] == [22]
    assert "0xfc" in table.skipped[0].reason


def test_western_texts_are_not_taken_for_central_european() -> None:
    assert detect("Preis: 20 € – „sofort“, Größe M".encode("cp1252")) == "cp1252"


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    rows = mixed(40)
    path = write(tmp_path / "a.csv.gz", gzip.compress(as_csv(rows, separator=";").encode()))
    assert pairs(read_one(path)) == rows


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", gzip.compress(b"text,label\n" + b"a" * (80 << 20)))
    with pytest.raises(InputError, match="unpacks to more than 64 MB"):
        read_one(path)


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    rows = as_csv(requests(300)).encode()
    data = gzip.compress(rows)
    with pytest.raises(InputError, match="the gzip file breaks off") as caught:
        read_one(write(tmp_path / "a.csv.gz", data[: len(data) // 2]))
    # the line that the library can still give a part of
    whole = zlib.decompressobj(31).decompress(data[: len(data) // 2])
    assert f"a.csv.gz, line {whole.count(bytes([10])) + 1}: " in str(caught.value)
    with pytest.raises(InputError, match=r"a\.csv\.gz, line 302: the gzip file is damaged"):
        read_one(write(tmp_path / "a.csv.gz", data[:-8] + bytes(8)))


def test_a_line_that_is_too_long_is_skipped_and_the_others_kept(tmp_path: Path) -> None:
    rows = as_csv(requests(20)).encode()
    path = write(tmp_path / "a.csv", rows + b'"' + b"x" * (17 << 20) + b'",refund\n' + b"last one,card\n")
    table = read_one(path)
    assert len(table.records) == 21
    assert [(item.place.number, "16 MB" in item.reason) for item in table.skipped] == [(22, True)]


def test_utf_16_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    data = codecs.BOM_UTF16_LE + as_csv(requests(20)).encode("utf-16-le") + b"x"
    table = read_one(write(tmp_path / "a.csv", data))
    assert len(table.records) == 20
    assert len(table.skipped) == 1


def test_the_four_scripts_reach_the_splits_unchanged(tmp_path: Path) -> None:
    rows = mixed(120)
    made = plan(write(tmp_path / "a.csv", as_csv(rows)))
    assert sorted((d.prompt, d.answer) for drafts in made.rows.values() for d in drafts) == sorted(rows)


def test_an_empty_file_has_no_encoding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        open_text(write(tmp_path / "a.csv", "\ufeff \n\n"), "a.csv")
