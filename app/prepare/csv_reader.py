"""CSV and its kin: which separator, which quotes, and every record that does not fit the header."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from app.prepare.decisions import SAID, Decision, Sureness
from app.prepare.encoding import Line, open_text
from app.prepare.header import looks_like_names
from app.prepare.json_reader import refuse_signs
from app.prepare.tables import (
    MAX_LINE,
    InputError,
    ReadOptions,
    RowFault,
    Source,
    Table,
    column_names,
    names,
)

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", "^": "caret", "~": "tilde",
              "\x1f": "unit separator", "§": "section sign", ":": "colon"}  # fmt: skip
SAMPLE_LINES = 400
RECORD_LINES = 2000
"""A record of more lines has a quotation mark that was never closed."""


@dataclass(frozen=True)
class Dialect:
    """How the fields of a record are told apart."""

    separator: str
    quotes: bool = True
    backslash: bool = False
    """A quotation mark inside a text is written `\\"` and not `""`."""

    def fields(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The records of lines, by the csv module."""
        escape = "\\" if self.backslash else None
        return csv.reader(
            lines,
            delimiter=self.separator,
            quoting=csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE,
            escapechar=escape,
            doublequote=not self.backslash,
            strict=True,
        )

    @property
    def spoken(self) -> str:
        name = SEPARATORS.get(self.separator, repr(self.separator))
        return f"separated by {name}" + ("" if self.quotes else ", without quotes")


def read_csv(source: Source, options: ReadOptions) -> list[Table]:
    """The rows of a text file with one record a line.

    Raises:
        InputError: no separator, no header, one column, or names that are alike.
    """
    csv.field_size_limit(MAX_LINE)
    file = open_text(source.path, source.name, options.encoding)
    sample = [line.text for line in islice(file.lines(), SAMPLE_LINES)]
    separator = options.separator or _declared(sample)
    dialect = choose(
        sample, separator, prefer_tab=source.path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab"))
    )
    table = Table(source.name, source.split, f"CSV, {dialect.spoken}, {file.spoken}", notes=file.notes)
    table.decisions = [file.decision, _why(dialect, options, sample)]
    records = _records(file.lines(), dialect, skip_first=bool(_declared(sample)))
    _fill(table, records, options)
    return [table]


def choose(sample: list[str], separator: str | None, *, prefer_tab: bool = False) -> Dialect:
    """The dialect whose records agree best with the number of fields of the first.

    Args:
        sample: the first lines.
        separator: the user's word for it; None tries all.
        prefer_tab: the file's name says that it is a tab.
    """
    given = [{"\\t": "\t", "tab": "\t"}.get(separator, separator)] if separator else list(SEPARATORS)
    if prefer_tab and not separator:
        given.sort(key=lambda sign: sign != "\t")
    tried = [
        Dialect(sign, quotes, backslash)
        for sign in given
        if len(sign) == 1
        for quotes, backslash in ((True, False), (True, True), (False, False))
        # with backslashes the csv module forgives what follows a closing mark
        if not backslash or any('\\"' in line for line in sample)
    ]
    if not tried:
        raise InputError(
            f"--separator: {separator!r} is not one character. Use a sign such as ';', or 'tab'."
        )
    whole = [f"{line}\n" for line in _without_tail(sample) if line.strip()]
    # max keeps the first of equals: the order of the separators, then quotes
    return max(tried, key=lambda dialect: _agreement(dialect, whole))


def _why(dialect: Dialect, options: ReadOptions, sample: list[str]) -> Decision:
    """The separator, and how well the first lines speak for it."""
    sign = "tab" if dialect.separator == "\t" else dialect.separator
    if options.separator or _declared(sample):
        said = SAID if options.separator else "the file's first line says so"
        return Decision("separator", f"Fields are {dialect.spoken}: {said}.", value=sign)
    share, _ = _agreement(dialect, [f"{line}\n" for line in _without_tail(sample) if line.strip()])
    reason = f"Fields are {dialect.spoken}: so {100 * share:.0f} % of the first lines have as many as the first one."
    return Decision("separator", reason, "sure" if share > 0.95 else "a guess", sign)


def _agreement(dialect: Dialect, lines: list[str]) -> tuple[float, int]:
    """Share of the lines in records with as many fields as the first record, which has two or more; then few faults."""
    same = used = faults = width = 0
    for record in _parsed(enumerate_lines(lines), dialect):
        faults += bool(record.fault)
        used += record.lines
        width = width or (len(record.fields) if not record.fault else 0)
        same += record.lines * (not record.fault and len(record.fields) == width)
    return (round(same / max(used, 1), 3), -faults) if width >= 2 else (0.0, -faults)


def enumerate_lines(lines: list[str]) -> Iterator[Line]:
    return (Line(number, line) for number, line in enumerate(lines, 1))


def _without_tail(sample: list[str]) -> list[str]:
    """The sample without its last lines where it ends inside of a record, as far as that can be told."""
    return sample[:-1] if len(sample) == SAMPLE_LINES else sample


def _declared(sample: list[str]) -> str | None:
    """The separator of Excel's first line `sep=;`."""
    found = re.fullmatch(r'"?sep=(.)"?', sample[0].strip("\ufeff\r\n ")) if sample else None
    return found[1] if found else None


class Parsed(NamedTuple):
    """A record as it was read."""

    line: int
    """Number of its first line."""
    lines: int
    fields: list[str]
    fault: str
    """What is wrong with it; empty if nothing is."""


def _records(lines: Iterator[Line], dialect: Dialect, *, skip_first: bool) -> Iterator[Parsed]:
    return _parsed(islice(lines, int(skip_first), None), dialect)


class _Feed:
    """Lines for the csv module that can be taken back when a record turns out to be broken."""

    def __init__(self, lines: Iterator[Line]):
        self._lines = lines
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        if self.taken and (line.fault or len(self.taken) >= RECORD_LINES):
            self._again.appendleft(line)
            raise csv.Error("a quotation mark is never closed")
        self.taken.append(line)
        return line.text + "\n"

    def back_up(self) -> None:
        """Give back all lines of this record but the first."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _parsed(lines: Iterator[Line], dialect: Dialect) -> Iterator[Parsed]:
    """All records; of a broken one only the first line is given up, and the next line begins a new record."""
    feed, width = _Feed(lines), 0
    while True:
        feed.taken.clear()
        try:
            fields = next(dialect.fields(feed))
        except StopIteration:
            return
        except csv.Error as error:
            feed.back_up()
            yield Parsed(feed.taken[0].number, 1, [], _explain(error))
            continue
        if not fields and not feed.taken[0].fault:
            continue
        width = width or len(fields)
        if len(fields) != width and len(feed.taken) > 1 and not feed.taken[0].fault:
            feed.back_up()
            yield Parsed(feed.taken[0].number, 1, [], _explain(csv.Error("unexpected end of data")))
            continue
        # csv keeps the newline that was added where quotes are off
        yield Parsed(feed.taken[0].number, len(feed.taken), fields, feed.taken[0].fault)


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text or "never closed" in text:
        return 'a quotation mark (") opens a text and is never closed. Close it, or write it twice ("")'
    if "expected after" in text:
        return 'a quotation mark (") inside a quoted text. Write it twice ("")'
    if "new-line" in text:
        return "a lone carriage return, as old Macintosh files have it. Save the file with today's line ends (LF or CRLF)"
    return f"{text}. Correct the line"


def _fill(table: Table, records: Iterator[Parsed], options: ReadOptions) -> None:
    first = next(records, None)
    if first is None or first.fault:
        raise InputError(
            f"{table.name}: the first line cannot be read: {first.fault if first else 'it is empty'}."
        )
    # decided on the first rows, which are then read like the others
    ahead = list(islice(records, 50))
    header = _has_header(first, ahead, table, options)
    if len(first.fields) == 1:
        raise _one_column(table.name, first.fields[0], header)
    if not header and options.header is None:
        raise InputError(
            f"{table.name}, line {first.line}: this looks like a row, not like the names of columns: "
            f"{names(first.fields)}. Write a first line with names, or pass --no-header."
        )
    found = first.fields if header else [""] * len(first.fields)
    table.columns = column_names(found, f"{table.name}, line {first.line}")
    if not header:
        _add(table, first)
    for record in [*ahead, *records]:
        _add(table, record)


def _has_header(first: Parsed, ahead: Sequence[Parsed], table: Table, options: ReadOptions) -> bool:
    """Whether the first line names the columns, by the user's word or a guess."""
    header = options.header
    if header is None:
        header = looks_like_names(first.fields, [record.fields for record in ahead if not record.fault])
    names_columns = "names the columns" if header else "is a row"
    why = SAID if options.header is not None else "it looks so"
    sureness: Sureness = "sure" if options.header is not None else "likely"
    table.decisions.append(
        Decision("header", f"The first line {names_columns}: {why}.", sureness, "yes" if header else "no")
    )
    return header


def _one_column(name: str, first: str, header: bool) -> InputError:
    what = f"one column, {names([first])}" if header else "one column without a name"
    return InputError(
        f"{name}: only {what}. pada needs one with what is asked and one with the answer. "
        "If the columns are there, pass --separator (what stands between them, such as ';')."
    )


def _add(table: Table, record: Parsed) -> None:
    fields = record.fields
    try:
        if record.fault:
            raise RowFault(record.fault)
        if len(fields) != len(table.columns):
            raise RowFault(
                f"{len(fields)} field{'s' * (len(fields) != 1)}, and the header has {len(table.columns)}. "
                "Put texts that hold the separator or a line break in quotes"
            )
        refuse_signs("".join(fields))
    except RowFault as found:
        table.skip("line", record.line, str(found), " | ".join(fields))
        return
    table.add("line", record.line, dict(zip(table.columns, fields, strict=True)))
