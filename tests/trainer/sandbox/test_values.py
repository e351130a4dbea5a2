"""Only plain values pass between a program and its tests."""

from __future__ import annotations

import json
import signal
from collections import Counter, OrderedDict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from trainer.sandbox.values import MAX_DEPTH, MAX_ITEMS, NotPlainError, decode, encode

Point = namedtuple("Point", "x y")
PLAIN = [
    None, True, False, 0, -1, 2**62, 2**63, -(2**64), 10**5000, 0.0, -0.0, 1.0, 1e308, float("inf"), 1j, "", "é\ud800\x00", b"\x00a",
    bytearray(b"b"), [], [1, [2.0, "3"]], (), (1, (2,)), {}, {1: 2, (1, 2): [3], "a": None, 1.5: True}, set(), {1, "a"}, frozenset({(1,)}),
    range(3), range(5, 0, -2), deque([1, 2]), Decimal("1.10"), Fraction(1, 3), int, ValueError, {"tuple": [1]}, {"object": 0}, [{"int": "x"}],
]  # fmt: skip


def refuse(value: Any) -> Any:
    raise NotPlainError(repr(value))


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_come_through_with_their_types(value: Any) -> None:
    back = decode(json.loads(json.dumps(encode(value, refuse))), refuse)
    assert type(back) is type(value)
    assert back == value
    assert value == 10**5000 or str(back) == str(value)


def test_subclasses_come_as_what_they_equal() -> None:
    for value, expected in [
        (Point(1, 2), (1, 2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (signal.SIGKILL, 9),
    ]:
        back = decode(encode(value, refuse), refuse)
        assert (type(back), back) == (type(expected), expected)


def test_iterators_come_as_iterators() -> None:
    for value in (iter([1, 2]), map(int, "12"), (n for n in (1, 2)), {1: 0, 2: 0}.keys()):
        back = decode(encode(value, refuse), refuse)
        assert back != [1, 2]
        assert list(back) == [1, 2]


@pytest.mark.parametrize(
    "value",
    [object(), len, lambda: 1, type("Mine", (), {}), type("E", (int,), {"__eq__": lambda *a: True})(1)],
)
def test_what_is_not_plain_is_referred_to(value: Any) -> None:
    assert encode([value], lambda it: {"object": it is value}) == [{"object": True}]


@pytest.mark.parametrize(
    "data",
    [{}, {"tuple": 1}, {"dict": [[1]]}, {"dict": [[[], 1]]}, {"set": [[]]}, {"int": "x"}, {"int": 1}, {"range": [1, 2, 0]}, {"type": "eval"},
     {"type": ["int"]}, {"complex": ["a", {}]}, {"bytes": "zz"}, {"Decimal": "x"}, {"Fraction": "1/0"}, {"a": 1, "b": 2}, {"deque": None}],
)  # fmt: skip
def test_data_that_stand_for_nothing_are_refused(data: Any) -> None:
    with pytest.raises(NotPlainError):
        decode(data, refuse)


def test_deep_values_are_refused() -> None:
    value: Any = []
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    for convert in (encode, decode):
        with pytest.raises(NotPlainError, match="nested"):
            convert(value, refuse)


def test_large_values_are_refused() -> None:
    with pytest.raises(NotPlainError, match="more than 100000 items"):
        encode([0] * (MAX_ITEMS + 1), refuse)
