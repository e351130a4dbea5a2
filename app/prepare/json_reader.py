"""JSONL, a JSON array, or a JSON object that holds the rows."""

from __future__ import annotations

import json
from typing import Any

from app.config.splits import SPLITS, Split
from app.prepare.columns import is_turns
from app.prepare.encoding import TextFile, open_text
from app.prepare.squad import unfold_squad
from app.prepare.tables import (
    MAX_DOCUMENT,
    InputError,
    Number,
    ReadOptions,
    RowFault,
    Source,
    Table,
    excerpt,
    names,
)
from trainer.row_json import repeated_key

NUL = "the row holds a NUL byte. Remove it"


def read_json(source: Source, options: ReadOptions) -> list[Table]:
    """The rows of a JSON or JSONL file; objects of several lists named as splits give a table each.

    Raises:
        InputError: the file is no JSON, or holds no list of rows.
    """
    file = open_text(source.path, source.name, options.encoding)
    return _finished(_lines(file, source) if _is_jsonl(file) else _document(file, source), file)


def read_jsonl(source: Source, options: ReadOptions) -> Table:
    """The rows of a file that must have one object a line.

    Raises:
        InputError: no line can be read.
    """
    file = open_text(source.path, source.name, options.encoding)
    (table,) = _finished(_lines(file, source), file)
    return table


def _finished(tables: list[Table], file: TextFile) -> list[Table]:
    for table in tables:
        table.notes = [*file.notes, *table.notes]
        table.decisions = [file.decision]
        table.columns = _columns(table)
    return tables


def parse(text: str) -> Any:
    """JSON as the rows need it: numbers as they were written, NaN as null, no key twice.

    Raises:
        RowFault: broken JSON, a key twice, or half a surrogate pair.
    """
    if "\x00" in text:
        raise RowFault(NUL)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_float=Number, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        # the module's own words end with the place: "Unterminated string starting at"
        what = error.msg.removesuffix(" starting at").removesuffix(" at")
        raise RowFault(f"broken JSON at {where}: {what}") from None
    except RecursionError:
        raise RowFault("JSON that is nested too deeply to be read") from None
    except ValueError as error:
        raise RowFault(f"JSON that cannot be read: {excerpt(error)}") from None
    return value


def refuse_signs(text: str) -> None:
    """Refuse what no text holds.

    Raises:
        RowFault: a NUL byte or half a surrogate pair.
    """
    if "\x00" in text:
        raise RowFault(NUL)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowFault(
            "half a surrogate pair (\\ud800 to \\udfff), which is no character. Remove it or write the whole pair"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RowFault(
            f"the key {excerpt(repeated_key(pairs), 40)!r} stands twice in one object. Remove one of them"
        )
    return found


def _is_jsonl(file: TextFile) -> bool:
    """Whether the first line that has text is one whole object, or one that only lacks its end."""
    texts = (line.text for line in file.lines() if line.text.strip() or line.fault)
    first, second = next(texts, ""), next(texts, "")
    if not first.strip():  # a line too long to look at
        return True
    if first.lstrip().startswith("["):
        return first.rstrip().endswith("]") and second.lstrip().startswith("[")
    try:
        found = parse(first.rstrip().removesuffix(","))
    except RowFault:
        return second.lstrip().startswith("{") and first.rstrip().removesuffix(",").endswith("}")
    # one line alone may be an object that holds the rows
    holds_rows = isinstance(found, dict) and bool(_by_column(found) or any(map(_is_rows, found.values())))
    return bool(second) or (
        not holds_rows and not file.path.name.lower().removesuffix(".gz").endswith(".json")
    )


def _lines(file: TextFile, source: Source) -> list[Table]:
    table = Table(source.name, source.split, f"JSONL, {file.spoken}")
    for line in file.lines():
        if not line.text.strip() and not line.fault:
            continue
        try:
            if line.fault:
                raise RowFault(line.fault)
            value = parse(line.text.rstrip().removesuffix(","))
            table.add("line", line.number, _checked(value, line.text))
        except RowFault as fault:
            table.skip("line", line.number, str(fault), line.text[:500])
    if not table.records and table.skipped:
        first = table.skipped[0]
        raise InputError(f"{first.place}: {first.reason}. No line of the file could be read.")
    return [table]


def _checked(value: Any, text: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RowFault(f"{kind_of(value)}, not an object. Write one JSON object a line: {{...}}")
    if "\\u" in text or "\x00" in text or not text.isascii():
        refuse_signs(json.dumps(value, ensure_ascii=False))
    if "\\u0000" in text and "\\u0000" in json.dumps(value):
        raise RowFault(NUL)
    return value


def _document(file: TextFile, source: Source) -> list[Table]:
    text, size = [], 0
    for line in file.lines():
        if line.fault:
            raise InputError(f"{source.name}, line {line.number}: {line.fault}.")
        size += len(line.text) + 1
        if size > MAX_DOCUMENT:
            raise InputError(
                f"{source.name}: a JSON document of more than {MAX_DOCUMENT >> 20} MB. "
                "Write JSONL: one object a line."
            )
        text.append(line.text)
    try:
        value = parse("\n".join(text))
    except RowFault as fault:
        raise InputError(f"{source.name}: {fault}. Correct the file; nothing of it was read.") from None
    return [
        _table(rows, source, split, f"{where}, {file.spoken}", note)
        for rows, split, where, note in _lists(value, source)
    ]


def _lists(value: Any, source: Source) -> list[tuple[list[Any], Split | None, str, str]]:
    """The lists of rows in a document: rows, their split, the format in words, and a note."""
    if isinstance(value, list):
        return [(value, source.split, "JSON array", "")]
    if not isinstance(value, dict):
        raise InputError(f"{source.name}: {kind_of(value)}, not a list of rows. Write a list of objects.")
    found = {key: rows for key, rows in value.items() if _is_rows(rows)}
    if found and set(found) <= SPLIT_NAMES.keys():
        return [(rows, SPLIT_NAMES[key], f"JSON, list `{key}`", "") for key, rows in found.items()]
    if len(found) == 1:
        [(key, rows)] = found.items()
        others = [name for name in value if name != key]
        note = (
            f"{source.name}: the rows are the list `{key}`; {names(others)} were not read." if others else ""
        )
        return [(rows, source.split, f"JSON, list `{key}`", note)]
    if not found and (rows := _by_column(value)):
        return [(rows, source.split, "JSON by columns", "")]
    if not found:
        raise InputError(
            f"{source.name}: one object without a list of rows in it; its keys are {names(list(value))}. "
            "Write a list of objects, or one object a line."
        )
    raise InputError(
        f"{source.name}: the object holds several lists, {names(list(found))}. Keep one of them in the file."
    )


SPLIT_NAMES: dict[str, Split] = {name: name for name in SPLITS} | {
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "training": "train",
    "testing": "test",
}
"""What splits are called -> what they are."""


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and not is_turns(value)


def _by_column(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of an object that has one list, or one object of values by number, for each column."""
    lists = [list(item.values()) if isinstance(item, dict) else item for item in value.values()]
    sizes = {len(item) if isinstance(item, list) else -1 for item in lists}
    if len(lists) < 2 or len(sizes) != 1 or sizes & {-1, 0}:
        return []
    return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]


def _table(rows: list[Any], source: Source, split: Split | None, how: str, note: str) -> Table:
    table = Table(source.name, split, how, notes=[note] if note else [])
    for number, row in enumerate(unfold_squad(rows), 1):
        try:
            if not isinstance(row, dict):
                raise RowFault(f"{kind_of(row)}, not an object")
            refuse_signs(json.dumps(row, ensure_ascii=False))
            table.add("row", number, row)
        except RowFault as fault:
            table.skip("row", number, str(fault), row)
    return table


def _columns(table: Table) -> list[str]:
    found: dict[str, None] = {}
    for record in table.records:
        found.update(dict.fromkeys(record.values))
    return list(found)


def kind_of(value: Any) -> str:
    """A JSON value's type in words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return "text" if value.strip() else "empty"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"
