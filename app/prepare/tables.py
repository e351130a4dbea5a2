"""What every reader returns: records with their place in a file, and what could not be read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from app.config.splits import Split
from app.errors import PadaError
from app.prepare.decisions import Decision

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".parquet")
"""Of files that are read; each may be gzipped."""
MAX_BYTES = 1 << 30
"""Most bytes of one file, unpacked."""
MAX_LINE = 16 << 20
"""Most bytes of one line."""
MAX_DOCUMENT = 256 << 20
"""Most bytes of a file that is one JSON document: it is held in memory as a whole."""
MAX_ROWS = 1_000_000
"""Most rows of all files together."""


FEWEST = 10
"""Rows that there must be."""


class InputError(PadaError):
    """A file that cannot be read; the message names the place and says what to do."""

    status = 422


class RowFault(Exception):  # noqa: N818 - it never leaves this room
    """Why one row cannot be used."""


class Number(float):
    """A number of a JSON text that remembers how it was written: 1.50 stays 1.50."""

    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number


class CellError(str):
    """What an Excel cell holds in place of a value, such as `#REF!`."""

    def fault(self, column: str) -> RowFault:
        """Why a row whose column holds this cannot be used."""
        return RowFault(f"`{column}` is the error {self}. Correct the formula")


class NoFormulaValue(CellError):  # noqa: N818 - a value, no exception
    """What stands for a formula whose value is not in the file."""

    def fault(self, column: str) -> RowFault:
        """See `CellError`."""
        return RowFault(
            f"`{column}` is a formula whose value is not in the file. Open the file in Excel, save it, and try again"
        )


class NoText(CellError):  # noqa: N818 - a value, no exception
    """What stands for a value that no text can hold, such as the bytes of a picture."""

    def fault(self, column: str) -> RowFault:
        """See `CellError`."""
        return RowFault(f"`{column}` holds bytes that are no text. Write them as UTF-8, or leave the row out")


class Place(NamedTuple):
    """Where a row stands."""

    file: str
    unit: str
    """What is counted: `line`, `row`, or `sheet 'Tickets', row`."""
    number: int

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.number}"


class Record(NamedTuple):
    """One row as the file has it: values by column."""

    place: Place
    values: dict[str, Any]


@dataclass(frozen=True)
class Skipped:
    """A row that is not in the written data, and why."""

    place: Place
    reason: str
    text: str = ""
    """The beginning of the row."""

    def row(self) -> dict[str, Any]:
        """As `skipped.jsonl` has it."""
        return {
            "file": self.place.file,
            self.place.unit.rsplit(" ", 1)[-1]: self.place.number,
            "place": str(self.place),
            "reason": self.reason,
            "text": self.text,
        }


@dataclass
class Table:
    """The rows of one file, or of one split of it."""

    name: str
    """The file as messages name it."""
    split: Split | None = None
    """Which split the file's name or its place says that it is."""
    format: str = ""
    """How it was read, in words: `CSV, separated by ;, UTF-8`."""
    columns: list[str] = field(default_factory=list)
    """Names in the order of the file; those of JSON objects in the order of appearance."""
    records: list[Record] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a person should know of the reading, a sentence each."""
    decisions: list[Decision] = field(default_factory=list)
    """How it was read."""
    sheets: list[str] = field(default_factory=list)
    """Of a workbook: the names of all its sheets."""
    left_out: str = ""
    """A sentence on the columns that hold no texts."""

    def skip(self, unit: str, number: int, reason: str, text: object = "") -> None:
        """List a row that cannot be used."""
        self.skipped.append(Skipped(Place(self.name, unit, number), reason, excerpt(text)))

    def add(self, unit: str, number: int, values: dict[str, Any]) -> None:
        """Keep a row."""
        self.records.append(Record(Place(self.name, unit, number), values))

    def leave_out_no_text(self) -> None:
        """Leave out the columns with more values that are no text than others."""
        counts = {name: [0, 0] for name in self.columns}
        for record in self.records:
            for name, value in record.values.items():
                if value is not None:
                    counts[name][isinstance(value, NoText)] += 1
        self.leave_out([name for name, (texts, others) in counts.items() if others > texts])

    def leave_out(self, found: list[str]) -> None:
        """Take out columns that hold no texts; a note names them."""
        if not found:
            return
        for record in self.records:
            for name in found:
                record.values.pop(name, None)
        self.columns = [name for name in self.columns if name not in found]
        what = f"the column {names(found)} was" if len(found) == 1 else f"the columns {names(found)} were"
        self.left_out = f"{self.name}: {what} left out: pictures, or other bytes that are no text."
        self.notes.append(self.left_out)


def spoken(path: Path) -> str:
    """A path in words; bytes of it that are no text as `\\xff`, because rows name the file that they come from."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class Source(NamedTuple):
    """A file to read."""

    path: Path
    name: str
    split: Split | None = None


@dataclass(frozen=True)
class ReadOptions:
    """What the user says about the files where the readers would guess."""

    encoding: str | None = None
    separator: str | None = None
    header: bool | None = None
    sheet: str | None = None


Reader = Callable[[Source, ReadOptions], list[Table]]


def excerpt(value: object, length: int = 120) -> str:
    """The beginning of a text in one line, safe to print."""
    text = " ".join(str(value)[: 4 * length].split())
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"


def names(values: list[str], most: int = 12) -> str:
    """Column names as messages list them."""
    shown = ", ".join(f"`{excerpt(value, 40)}`" for value in values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")


def column_names(header: list[str], where: str) -> list[str]:
    """The names in a header, without blanks around them; `column_3` and the like where there is none.

    Raises:
        InputError: see `check_columns`.
    """
    columns = [name if name.strip() else f"column_{place}" for place, name in enumerate(header, 1)]
    check_columns(columns, where)
    return [name.strip() for name in columns]


def check_columns(columns: list[str], where: str) -> None:
    """Refuse names that people could not tell apart.

    Raises:
        InputError: two columns have the same name, or names that differ only by case or space.
    """
    for name, count in Counter(columns).items():
        if count > 1:
            numbers = [place for place, column in enumerate(columns, 1) if column == name]
            raise InputError(
                f"{where}: the columns {' and '.join(map(str, numbers))} are both named `{excerpt(name, 40)}`. "
                "Rename one of them."
            )
    seen: dict[str, str] = {}
    for name in columns:
        folded = "".join(name.split()).casefold()
        other = seen.setdefault(folded, name)
        if other != name:
            raise InputError(
                f"{where}: the columns {other!r} and {name!r} differ only by case or space. "
                "Rename one of them, or give all rows the same name."
            )
