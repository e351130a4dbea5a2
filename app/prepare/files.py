"""From what is on the command line to tables: files, folders of files, and data sets of the hub."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from app.config.given_path import CONFIGS, METADATA, is_named_as
from app.config.splits import Split
from app.prepare.csv_reader import read_csv
from app.prepare.encoding import SAMPLE, open_bytes, unpacked_limit
from app.prepare.excel_reader import read_excel
from app.prepare.file_kinds import refuse_binary
from app.prepare.hub_reader import PREFIX, read_hub
from app.prepare.json_reader import SPLIT_NAMES, read_json
from app.prepare.parquet_reader import read_parquet
from app.prepare.tables import (
    ENDINGS,
    MAX_ROWS,
    InputError,
    Reader,
    ReadOptions,
    Source,
    Table,
    names,
    spoken,
)

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of old Office files, and of new ones under a password."""


def read_all(given: Sequence[str], options: ReadOptions) -> list[Table]:
    """The tables of all files, in the order given; a folder's in the order of their names.

    Raises:
        InputError: a file is missing, of no known kind or broken, or nothing has rows.
    """
    tables = [table for item in given for table in _read(item, options)]
    rows = sum(len(table.records) for table in tables)
    if rows > MAX_ROWS:
        raise InputError(f"{rows:,} rows; pada init takes up to {MAX_ROWS:,}. Take a sample of them.")
    return tables


def _read(given: str, options: ReadOptions) -> list[Table]:
    if not given:
        raise InputError("the name of a file is empty. Is the variable set that should hold it?")
    if given.startswith(PREFIX):
        return read_hub(given)
    sources, left = _sources(Path(given).expanduser())
    tables = [table for source in sources for table in _read_file(source, options)]
    if left:
        tables[0].notes.append(
            f"{given}: {names(left)} were not read, because the folder has files for the splits."
        )
    return tables


def _read_file(source: Source, options: ReadOptions) -> list[Table]:
    if is_named_as(source.path, CONFIGS):
        raise InputError(
            f"{source.name}: this is a config, and no file of rows. `pada check {source.path}` checks it, and `pada run "
            f"{source.path}` runs it."
        )
    try:
        if source.path.exists() and not (source.path.is_file() or source.path.is_dir()):
            raise InputError(
                f"{source.name}: a device or a pipe, and rows are read more than once. Save them in a file."
            )
        return reader_of(source)(source, options)
    except IsADirectoryError:
        raise InputError(f"{source.name}: a folder, not a file.") from None
    except FileNotFoundError:
        raise InputError(f"{source.name}: there is no such file. Check the path.") from None
    except OSError as error:
        raise InputError(f"{source.name}: cannot be read: {error.strerror or error}.") from None


def _sources(path: Path) -> tuple[list[Source], list[str]]:
    """A file, or the files of a folder, and the names of those left out.

    Names such as `train.csv` say which split a file is; in a folder with such files no others are read.
    """
    if not path.is_dir():
        return [Source(path, spoken(Path(path.name)), _split_of(path))], []
    if (path / METADATA).exists():
        raise InputError(
            f"{path}: this is the folder of a run, and no data. Give the files that the run was made from."
        )
    found = sorted(item for item in path.rglob("*") if _is_data(item, path))
    if not found:
        raise InputError(f"{path}: the folder has no file that ends with {', '.join(ENDINGS)}.")
    sources = [Source(item, spoken(item.relative_to(path)), _split_of(item)) for item in found]
    if len({source.split for source in sources} - {None}) < 2:
        return sources, []
    return [source for source in sources if source.split], [
        source.name for source in sources if not source.split
    ]


def _is_data(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.is_file() and not hidden and path.name.lower().removesuffix(".gz").endswith(ENDINGS)


def _split_of(path: Path) -> Split | None:
    """The split that a file's name says: `train.csv`, `dev.jsonl.gz`, `test-00000-of-00001.parquet`."""
    stem = path.name.split(".", 1)[0].casefold()
    return SPLIT_NAMES.get(stem) or SPLIT_NAMES.get(stem.split("-", 1)[0])


def reader_of(source: Source) -> Reader:
    """The reader for a file, by its first bytes; its name decides only between CSV and JSON.

    Raises:
        InputError: the file is of a kind that holds no table.
    """
    raw = source.path.open("rb")
    with raw:
        head = raw.read(8)
    if head.startswith(b"PK"):
        return _zipped(source)
    if head.startswith(b"PAR1"):
        return read_parquet
    if head == OLE:
        raise _old_office(source)
    refuse_binary(head, source.name)
    with open_bytes(source.path, source.name) as stream:
        text = stream.read(SAMPLE)
    refuse_binary(text, source.name)
    if text.startswith((b"PK", b"PAR1", OLE)):
        raise InputError(f"{source.name}: gzip around a file that is packed already. Unpack it first.")
    name = source.path.name.lower().removesuffix(".gz")
    first = text.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1]
    if name.endswith((".json", ".jsonl", ".ndjson")) or (
        first in (b"{", b"[") and not name.endswith((".csv", ".tsv"))
    ):
        return read_json
    return read_csv


def _zipped(source: Source) -> Reader:
    try:
        with zipfile.ZipFile(source.path) as archive:
            inside = archive.namelist()
            # a member never gives more bytes than are declared for it
            unpacked = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile:
        raise InputError(
            f"{source.name}: the file is damaged (no whole zip or XLSX file). Save it again."
        ) from None
    limit = unpacked_limit(source.path.stat().st_size)
    if unpacked > limit:
        raise InputError(
            f"{source.name}: the file unpacks to more than {limit >> 20} MB. Split it, or take a sample of its rows."
        )
    if "xl/workbook.xml" in inside:
        return read_excel
    if "xl/workbook.bin" in inside:
        raise InputError(f"{source.name}: an .xlsb workbook. Save it as .xlsx or as CSV (UTF-8).")
    if "content.xml" in inside:
        raise InputError(f"{source.name}: an OpenDocument sheet. Save it as .xlsx or as CSV (UTF-8).")
    raise InputError(
        f"{source.name}: a zip archive of {names(inside, 4)}. Unpack it and give the files or their folder."
    )


def _old_office(source: Source) -> InputError:
    with source.path.open("rb") as raw:
        content = raw.read(16 << 20)
    if "EncryptedPackage".encode("utf-16-le") in content:
        return InputError(
            f"{source.name}: the workbook is protected by a password. Save it without one, or as CSV (UTF-8)."
        )
    return InputError(f"{source.name}: an old Excel file (.xls). Save it as .xlsx or as CSV (UTF-8).")
