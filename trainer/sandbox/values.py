"""Converts plain values to JSON and back and keeps their types. Nothing else passes between a program and its tests.

JSON's own types stand for themselves: null, booleans, strings, floats, integers of up to 64 bits, lists. Any other value
is an object with one key, its type: `{"tuple": [1, 2]}`. A value that is not plain becomes a reference to an object in
the program's process. A reference equals nothing.
"""

from __future__ import annotations

import builtins
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

MAX_DEPTH = 100
MAX_ITEMS = 100_000
"""Maximum number of items of a container or an iterator. An iterator may have no end."""

SEQUENCES: dict[str, type] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
}
BYTES: dict[str, type[bytes] | type[bytearray]] = {"bytes": bytes, "bytearray": bytearray}
TYPES = {name for name, value in vars(builtins).items() if isinstance(value, type)} - {"type", "object"}

Refer = Callable[[Any], dict[str, Any]]
"""Makes a reference to a value that is not plain."""
Resolve = Callable[[dict[str, Any]], Any]
"""Returns the value that a reference stands for."""


class NotPlainError(ValueError):
    """The value is not plain, or is too large."""


def encode(value: Any, refer: Refer, depth: int = 0) -> Any:
    """A value as JSON data.

    An instance of a subclass counts as its base class if it inherits the base class's equality, as named tuples do.
    It does not if it defines its own equality.

    Raises:
        NotPlainError: the value is nested too deeply or has too many items.
    """
    if depth > MAX_DEPTH:
        raise NotPlainError(f"a value is nested more than {MAX_DEPTH} levels deep")
    if value is None or type(value) in (bool, str, float):
        return value
    for name, kind in SEQUENCES.items():
        if _is_plain(value, kind):
            read: Any = kind
            items = [encode(item, refer, depth + 1) for item in _bounded(read.__iter__(value))]
            return items if kind is list else {name: items}
    if _is_plain(value, dict) or type(value) in (Counter, OrderedDict):
        pairs = _bounded(dict.items(value))
        return {
            "dict": [[encode(key, refer, depth + 1), encode(item, refer, depth + 1)] for key, item in pairs]
        }
    if isinstance(value, Iterator | KeysView | ValuesView | ItemsView):
        return {"iterator": [encode(item, refer, depth + 1) for item in _bounded(value)]}
    return _encode_scalar(value, refer)


def _encode_scalar(value: Any, refer: Refer) -> Any:
    if _is_plain(value, int):
        number = int.__int__(value)
        return number if number.bit_length() < 64 else {"int": hex(number)}
    if _is_plain(value, float):
        return float.__float__(value)
    if _is_plain(value, str):
        return str.__str__(value)
    if type(value) is complex:
        return {"complex": [value.real, value.imag]}
    if type(value) in (bytes, bytearray):
        return {type(value).__name__: bytes(value).hex()}
    if type(value) is range:
        return {"range": [encode(end, refer) for end in (value.start, value.stop, value.step)]}
    if type(value) in (Decimal, Fraction):
        return {type(value).__name__: str(value)}
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and name in TYPES and getattr(builtins, name) is value:
        return {"type": name}
    return refer(value)


def decode(data: Any, resolve: Resolve, depth: int = 0) -> Any:
    """The value that JSON data stands for. Inverse of `encode`; safe for untrusted data.

    Raises:
        NotPlainError: the data stands for nothing.
    """
    if depth > MAX_DEPTH:
        raise NotPlainError(f"a value is nested more than {MAX_DEPTH} levels deep")
    if data is None or isinstance(data, bool | str | float | int):
        return data
    if isinstance(data, list):
        return [decode(item, resolve, depth + 1) for item in data]
    if not isinstance(data, dict):
        raise NotPlainError("a value is of no known type")
    try:
        return _decode_tagged(data, resolve, depth)
    except NotPlainError:
        raise
    except (TypeError, ValueError, ArithmeticError, KeyError) as error:
        raise NotPlainError(f"a value cannot be read: {error}") from None


def _decode_tagged(data: dict[str, Any], resolve: Resolve, depth: int) -> Any:
    tag = next(iter(data)) if len(data) == 1 else ""
    content: Any = data.get(tag)
    if tag in SEQUENCES:
        return SEQUENCES[tag](decode(item, resolve, depth + 1) for item in content)
    if tag == "dict":
        return {decode(key, resolve, depth + 1): decode(item, resolve, depth + 1) for key, item in content}
    if tag == "iterator":
        return iter([decode(item, resolve, depth + 1) for item in content])
    if tag == "int":
        return int(content, 16)
    if tag == "complex":
        return complex(*content)
    if tag in BYTES:
        return BYTES[tag].fromhex(content)
    if tag == "range":
        return range(*(decode(end, resolve, depth + 1) for end in content))
    if tag in ("Decimal", "Fraction"):
        return Decimal(content) if tag == "Decimal" else Fraction(content)
    if tag == "type" and content in TYPES:
        return getattr(builtins, content)
    return resolve(data)


def _is_plain(value: Any, kind: type) -> bool:
    inherited: Any = type(value).__eq__
    return isinstance(value, kind) and inherited is kind.__eq__


def _bounded(items: Any) -> list[Any]:
    taken = list(islice(items, MAX_ITEMS + 1))
    if len(taken) > MAX_ITEMS:
        raise NotPlainError(f"a value has more than {MAX_ITEMS} items")
    return taken
