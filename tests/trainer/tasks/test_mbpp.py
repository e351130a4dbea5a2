"""Assertions test MBPP's programs, and a reply cannot change the assertions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.data_files import DataError
from trainer.records import Example, Prediction
from trainer.tasks.mbpp import Mbpp


def row(code: str, tests: list[str], setup: str = "") -> Example:
    """A row of the source, converted by the task."""
    source = {"task_id": 1, "text": "Write it.", "code": code, "test_list": tests}
    made = Mbpp().convert(source | {"test_setup_code": setup, "challenge_test_list": []})
    return Example(**made)


def passes(example: Example, text: str) -> bool:
    return Mbpp().score(example, Prediction(id=example.id, text=text)).correct


PAIR = """class Pair(object):
    def __init__(self, a, b):
        self.a, self.b = a, b
def longest(pairs, n):
    return max(pair.b - pair.a for pair in pairs[:n])
"""
NODE = """class Node:
    def __init__(self, data):
        self.data, self.left, self.right = data, None, None
def height(node):
    return 0 if node is None else 1 + max(height(node.left), height(node.right))
"""
NODES = "root = Node(1)\r\nroot.left = Node(2)\r\nroot.left.right = Node(3)\r\n"

CASES: dict[str, tuple[Example, list[str], list[str]]] = {
    "a function": (
        row("def add(a, b):\n    return a + b", ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]),
        ["add = lambda a, b: b + a", "def add(*n): return sum(n)", "def add(a, b):\n\treturn a - -b"],
        ["def add(a, b): return 3", "def plus(a, b): return a + b", "", "return a + b", "def add(a, b): return str(a + b)"],
    ),
    "a name of a built-in": (
        row("def sum(a, b):\n    return a * b", ["assert sum(2, 3) == 6"]),
        ["def sum(a, b): return b * a"],
        ["def prod(a, b): return a * b", "def sum(a, b): return a + b"],
    ),
    "objects of the program": (
        row(PAIR, ["assert longest([Pair(5, 24), Pair(15, 20)], 2) == 19"]),
        [PAIR.replace("longest(pairs, n)", "longest(ps, k)").replace("pairs[:n]", "ps[:k]"), PAIR.replace("(object)", "")],
        [PAIR.replace("max", "min"), PAIR.replace("class Pair", "class Other"), "Pair = longest = lambda *a: 18"],
    ),
    "a setup with objects": (
        row(NODE, ["assert (height(root)) == 3"], NODES),
        [NODE],
        [NODE.replace("1 + max", "max"), "class Node: pass\ndef height(node): return 3"],
    ),
    "a module in the assertion": (
        row("import sys\ndef size(t):\n    return sys.getsizeof(t)", ["assert size((1, 2)) == sys.getsizeof((1, 2))"]),
        ["def size(t): return t.__sizeof__() + __import__('sys').getsizeof(()) - ().__sizeof__()"],
        ["class sys:\n    getsizeof = lambda t: 7\nsize = sys.getsizeof", "def size(t): return 7"],
    ),
    "types as arguments": (
        row("def without(t, kind):\n    return [x for x in t if type(x) is not kind]",
            ["assert without((4, 7.7), int) == [7.7]", "assert without((7, 'SR'), str) == [7]"]),
        ["def without(t, kind): return list(x for x in t if not isinstance(x, kind))"],
        ["def without(t, kind): return [x for x in t if x is not kind]", "def without(t, kind): return t"],
    ),
    "a name that the program redefines": (
        row("def root(x):\n    return int(x ** 0.5)", ["assert int(root(16)) == 4", "assert abs(root(9) - 3) < 1e-9"]),
        ["import math\ndef root(x): return math.isqrt(x)"],
        ["def int(x): return 4\ndef abs(x): return 0\ndef root(x): return '4'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_right_programs_pass_and_wrong_ones_do_not(case: str) -> None:
    example, right, wrong = CASES[case]
    assert Mbpp().row_error(example) is None
    assert passes(example, example.completion)
    assert [text for text in right if not passes(example, text)] == []
    assert [text for text in wrong if passes(example, text)] == []


def test_the_source_s_rows_become_ours() -> None:
    example = row("def f():\r\n    return 1\r\n", ["assert f() == 1", "assert f() != 2"])
    assert example.id == "mbpp-1"
    assert (
        example.prompt == "Write it.\nYour code should pass these tests:\n\nassert f() == 1\nassert f() != 2"
    )
    assert example.completion == "def f():\n    return 1\n"


def test_a_score_says_what_failed() -> None:
    example, _, _ = CASES["a function"]
    score = Mbpp().score(example, Prediction(id="a", text="def add(a, b):\n    return a * b"))
    assert score.explanation == "The program fails `assert add(1, 2) == 3`: add(1, 2) returned 2."
    assert score.detail == {"outcome": "failed"}


def test_new_rows_must_pass_their_own_tests() -> None:
    prompt = "Write a function that adds.\nYour code should pass these tests:\n\nassert add(1, 2) == 3\n"
    task = Mbpp()
    assert task.new_row_error(prompt, "def add(a, b): return a + b") is None
    assert task.new_row_error("Write a function that adds.", "def add(a, b): return a + b") is None
    wrong = task.new_row_error(prompt, "def add(a, b): return a - b")
    assert wrong == (
        "The completion must pass the prompt's tests. The program fails `assert add(1, 2) == 3`: add(1, 2) returned -1."
    )
    assert "must be Python" in str(task.new_row_error(prompt, "def add(a, b) return a + b"))
    assert "must be Python" in str(task.new_row_error(prompt + "assert add(", "def add(a, b): return a + b"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tests": "assert f() == 1"}, "`tests` is not a list of assertions"),
        ({"tests": []}, "`tests` is not a list of assertions"),
        ({"tests": ["assert f( == 1"]}, "The completion or a test is not Python"),
        ({"completion": "def f(:"}, "The completion or a test is not Python"),
        ({"tests": ["assert g() == 1"]}, "The tests use nothing that the completion defines"),
    ],
)
def test_rows_that_cannot_be_used_are_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    example = row("def f():\n    return 1", ["assert f() == 1"])
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(example.model_dump() | change), encoding="utf-8")
    with pytest.raises(DataError, match=f"rows.jsonl, line 1: {message}"):
        Mbpp().load(path)


def test_a_row_without_tests_never_passes() -> None:
    assert not passes(Example(id="a", prompt="p", completion="x = 1"), "x = 1")
