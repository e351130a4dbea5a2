"""One line of a file of rows as a JSON object, stricter than `json.loads`. This module does not import torch."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any


class RowError(Exception):
    """What is wrong with one row."""


def parse_row(line: str) -> dict[str, Any]:
    """The object in a line.

    Raises:
        RowError: it holds none, or one that readers would not agree on.
    """
    try:
        row = _JSON.decode(line)
    except json.JSONDecodeError as error:
        raise RowError(
            f"broken JSON at column {error.colno}: {error.msg}. Each line must be one complete JSON object."
        ) from None
    except (ValueError, RecursionError) as error:
        raise RowError(f"JSON that cannot be read: {error}. Simplify the row.") from None
    if not isinstance(row, dict):
        raise RowError(f"{kind_of(row)}, not an object. Write one JSON object a line: {{...}}.")
    if "\\u" in line:
        _refuse_surrogates(row)
    return row


def repeated_key(pairs: Sequence[tuple[str, Any]]) -> str:
    """The first key that stands twice in a JSON object; readers differ in which of the two they take."""
    keys = [key for key, _ in pairs]
    return next(key for key in keys if keys.count(key) > 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RowError(
            f"the key {repeated_key(pairs)[:40]!r} stands twice in one object. Remove one of them."
        )
    return found


def _no_number(name: str) -> float:
    raise RowError(f"{name}, which JSON does not have. Write a number, null, or a text in quotes.")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise RowError(f"the number {text[:40]}, which is too large. Write it as a text in quotes.")
    return value


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)


def _refuse_surrogates(row: dict[str, Any]) -> None:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RowError(
            "half a surrogate pair (\\ud800 to \\udfff), which is no character. "
            "Remove it or write the whole pair."
        ) from None


def kind_of(value: Any) -> str:
    """A JSON value's type in words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if value in ("", []):
        return "empty"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"
