"""What the columns of a table hold, as far as some thousand rows show."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from app.prepare.tables import Number, Record

SEEN = 3000
"""How many rows a guess looks at, spread over the file."""
DEPTH = 3
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?:[T ,].*)?")


@dataclass(frozen=True)
class Column:
    """A column's values in numbers."""

    name: str
    filled: float
    """Share of the rows that have a value."""
    length: float
    """Mean length of the values as text, in characters."""
    distinct: float
    """Different values per filled row, 0 to 1."""
    values: int
    """How many different values."""
    kinds: dict[str, float]
    """Share of the filled rows by kind: text, number, boolean, object, list, turns, date."""

    def mostly(self, kind: str) -> bool:
        """Whether at least nine of ten values are of a kind."""
        return self.kinds.get(kind, 0.0) >= 0.9


def value_at(values: dict[str, Any], path: str) -> Any:
    """A column's value; `data.question` is the key `question` of the object `data`, unless a column has that name."""
    if path in values:
        return values[path]
    for place, sign in enumerate(path):
        inner = values.get(path[:place]) if sign == "." else None
        if isinstance(inner, dict) and (found := value_at(inner, path[place + 1 :])) is not None:
            return found
    return None


def may_hold(columns: Collection[str], path: str) -> bool:
    """Whether `value_at` may find a path in rows with these columns: it names one, or a key inside of one."""
    return any(path == column or path.startswith(f"{column}.") for column in columns)


def sample(records: Sequence[Record]) -> list[Record]:
    """Rows spread evenly over all."""
    step = max(1, len(records) // SEEN)
    return list(records[::step])


def describe(records: Sequence[Record], order: Sequence[str]) -> dict[str, Column]:
    """The columns in order, those inside of objects as `outer.inner` at the end."""
    paths: dict[str, None] = dict.fromkeys(order)
    for record in records:
        paths.update(dict.fromkeys(_paths(record.values)))
    return {path: _column(path, [value_at(record.values, path) for record in records]) for path in paths}


def hidden(records: Sequence[Record]) -> list[str]:
    """Names that stand for two values of a row, of which `value_at` finds the first."""
    found: dict[str, None] = {}
    for record in records:
        paths = _paths(record.values)
        if len(set(paths)) < len(paths):
            found.update(dict.fromkeys(path for path, count in Counter(paths).items() if count > 1))
    return list(found)


def _paths(values: dict[str, Any], prefix: str = "", depth: int = 1) -> list[str]:
    found = []
    for key, value in values.items():
        found.append(prefix + key)
        if isinstance(value, dict) and depth < DEPTH:
            found += _paths(value, f"{prefix}{key}.", depth + 1)
    return found


def _column(name: str, values: list[Any]) -> Column:
    filled = [value for value in values if not is_empty(value)]
    texts = [as_text(value) for value in filled]
    count = max(len(filled), 1)
    kinds: dict[str, float] = {}
    for value in filled:
        kind = kind_of_value(value)
        kinds[kind] = kinds.get(kind, 0.0) + 1 / count
    return Column(
        name=name,
        filled=len(filled) / max(len(values), 1),
        length=sum(map(len, texts)) / count,
        distinct=len(set(texts)) / count,
        values=len(set(texts)),
        kinds=kinds,
    )


def is_empty(value: Any) -> bool:
    """Whether a cell has nothing in it."""
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def kind_of_value(value: Any) -> str:
    """What a value is; a text that is a number, a date, or JSON counts as what it says."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return _kind_of_text(value.strip())
    if isinstance(value, list):
        return "turns" if is_turns(value) else "list"
    return "object"


def _kind_of_text(text: str) -> str:
    if text[:1] in "[{" and (unpacked := unpack(text)) is not text:
        return kind_of_value(unpacked)
    if _DATE.fullmatch(text):
        return "date"
    try:
        float(text)
    except ValueError:
        return "text"
    return "number"


def unpack(value: Any) -> Any:
    """The list or object that a text is as JSON, as cells of tables have it; any other value as it is."""
    if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value, parse_float=Number)
    except (ValueError, RecursionError):
        return value


def is_turns(value: Any) -> bool:
    """Whether a value is a conversation: a list of objects with a speaker and what is said."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, dict) and ("role" in turn or "from" in turn) for turn in value)
    )


def as_text(value: Any) -> str:
    """A value as it was written; objects and lists as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Number):
        return value.text
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
