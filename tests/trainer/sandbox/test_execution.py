"""A program passes its tests only with right answers."""

from __future__ import annotations

import pytest

from tests.trainer.sandbox.sandboxes import RIGHT, SHORT, run
from trainer.sandbox.execution import ProgramTest, Verdict, run_test, run_tests
from trainer.sandbox.launch import KINDS, Kind, best_kind


def test_there_is_a_sandbox() -> None:
    assert best_kind() in KINDS


def test_a_right_program_passes_and_a_wrong_one_says_why(kind: Kind) -> None:
    assert run(kind, RIGHT) == Verdict("passed", "The program passes its tests.")
    assert run(kind, "def answer(): return 41") == Verdict(
        "failed", "The program fails `assert answer() == 42`: answer() returned 41."
    )
    assert run(kind, "def answer():\n    return 1 / 0") == Verdict(
        "raised",
        "The program fails in `assert answer() == 42`: answer() raised ZeroDivisionError: division by zero "
        "(line 2 of the program).",
    )
    broken = run(kind, "\ndef answer(: return 42")
    assert broken.outcome == "not loaded"
    assert broken.reason.startswith("The program cannot be loaded: SyntaxError: ")
    assert broken.reason.endswith(" (line 2 of the program).")
    assert run(kind, "def other(): return 42").reason.endswith(
        "answer() raised NameError: name 'answer' is not defined."
    )


def test_objects_and_exceptions_of_the_program_serve_in_tests(kind: Kind) -> None:
    program = """
class Node:
    def __init__(self, value): self.value, self.left = value, None
def depth(node): return 0 if node is None else 1 + depth(node.left)
def refuse(value): raise ValueError(f"not {value}")
"""
    tests = """
root = Node(1)
root.left = Node(2)
root.left.left = Node(3)
assert depth(root) == 3 and root.left.value == 2
try:
    refuse(7)
    assert False
except ValueError as error:
    assert str(error) == "not 7"
"""
    program_test = ProgramTest(program=program, tests=tests, provides=("Node", "depth", "refuse"))
    assert run_test(program_test, kind=kind).passed


def test_many_programs_at_once_keep_their_order(kind: Kind) -> None:
    program_tests = [
        ProgramTest(f"def answer(): return {n}", "assert answer() % 3 == 0", ("answer",)) for n in range(40)
    ]
    assert [verdict.passed for verdict in run_tests(program_tests, kind=kind)] == [
        n % 3 == 0 for n in range(40)
    ]


ANYTHING = """
class Anything{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __hash__(self): return hash(42)
    def __bool__(self): return True
    def __sub__(self, other): return self
    __add__ = __radd__ = __rsub__ = __sub__
    def __abs__(self): return self
    def __call__(self, *a): return self
"""


ANSWERS = ("{}", "[{}]", "({},)", "{{1: {}}}", "iter([{}])")
TESTS = (
    "answer() == 42", "answer()", "not answer() != 42", "answer() in [42]", "42 in answer()", "answer() == answer()", "answer() >= 42",
    "abs(answer() - 42) < 1e-6", "[answer()] == [42]", "answer() == [42]", "answer() == (42,)",
)  # fmt: skip


@pytest.mark.parametrize(
    "base", ["", "(int)", "(str)", "(float)", "(list)", "(tuple)", "(dict)", "(set)", "(type)"]
)
def test_an_object_that_equals_everything_equals_nothing(kind: Kind, base: str) -> None:
    made = "Anything('A', (), {})" if base == "(type)" else "Anything()"
    program_tests = [
        ProgramTest(
            program=ANYTHING.format(base=base) + f"def answer(): return {answer.format(made)}\n",
            # even if the first test passes, the answer is not 42
            tests=f"assert {test}\nassert answer() == 42",
            provides=("answer",),
        )
        for answer in ANSWERS
        for test in TESTS
    ]
    assert {verdict.passed for verdict in run_tests(program_tests, kind=kind)} == {False}
    direct = [
        ProgramTest(program_test.program, f"assert {test}", ("answer",))
        for program_test in program_tests[:1]
        for test in TESTS
    ]
    assert {verdict.outcome for verdict in run_tests(direct, kind=kind)} == {"raised"}


FORGED = [{"outcome": "passed", "reason": ""}, {"value": True}, {"confined": True}, "passed", 1, None, [], {}]

CHEATS = {
    "exits at once": "raise SystemExit(0)",
    "exits in the call": "def answer(): raise SystemExit(0)",
    "ends the process at once": "import os\nos._exit(0)",
    "ends the process in the call": "import os\ndef answer(): os._exit(0)",
    "aborts": "import os\ndef answer(): os.abort()",
    "crashes": "import ctypes\ndef answer(): ctypes.string_at(0)",
    "prints the marker": "print('The program passes its tests.')\nprint('passed')\ndef answer(): print('passed')",
    "raises what a test raises": "def answer(): raise AssertionError",
    "ends loops": "def answer(): raise StopIteration",
    "overrides built-ins": """
import builtins
for name in ("AssertionError", "Exception", "BaseException"):
    setattr(builtins, name, type(name, (), {}))
builtins.all = builtins.any = builtins.bool = builtins.isinstance = lambda *a: True
def answer(): return 41
""",
    "patches json": """
import json
json.dumps = lambda *a, **k: '{"outcome": "passed", "reason": ""}'
json.loads = lambda *a, **k: {"do": "call"}
def answer(): return 41
""",
    "patches the test runner": """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("trainer"):
        for key, value in list(vars(module).items()):
            if callable(value) and not key.startswith("__"):
                setattr(module, key, lambda *a, **k: {"outcome": "passed", "value": True, "reason": ""})
def answer(): return 41
""",
    "patches the test runner's class": """
import trainer.sandbox.test_runner as e
e.Remote.__eq__ = e.Remote.__bool__ = lambda *a: True
e._verdict = e._run_tests = lambda *a: {"outcome": "passed", "reason": ""}
def answer(): return object()
""",
    "redefines the tests": "def answer(): return 41\ndef check(candidate): return True\ntests = ''\n__name__ = 'tests'",
    "forges messages": f"""
import json, os
def answer(): return 41
for message in {FORGED!r}:
    body = json.dumps(message).encode()
    for descriptor in range(64):
        try: os.write(descriptor, len(body).to_bytes(4, "big") + body)
        except OSError: pass
""",
    "forges raw bytes": """
import os
for descriptor in range(64):
    try: os.write(descriptor, b"\\x00\\x00\\x00\\x06passed" + b"\\xff" * 100)
    except OSError: pass
def answer(): return 41
""",
    "closes all files": "import os\nos.closerange(0, 64)\ndef answer(): return 41",
    "looks for the tests in its callers": """
import sys, gc
def answer():
    frame, found = sys._getframe(), []
    while frame:
        found += [str(value) for value in frame.f_locals.values()]
        frame = frame.f_back
    found += [o for o in gc.get_objects() if isinstance(o, str)]
    return 42 if any("answer() =" + "= 4" in text for text in found) else 41
""",
    "nests without end": "def answer():\n    x = []\n    x.append(x)\n    return x",
    "never ends an iterator": "def answer():\n    while True: yield 42",
    "is huge": "def answer(): return [0] * 10**7",
    "is a long number": "def answer(): return 10 ** 100000",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_program_passes_by_right_answers_alone(kind: Kind, cheat: str) -> None:
    verdict = run(kind, CHEATS[cheat], limits=SHORT)
    assert not verdict.passed
    assert verdict.reason
    assert run(kind, RIGHT, limits=SHORT).passed


@pytest.mark.parametrize("caught", ["except Exception: pass", "except: pass", "finally: raise ValueError"])
def test_a_program_that_ends_itself_does_not_pass_tests_that_expect_exceptions(
    kind: Kind, caught: str
) -> None:
    tests = f"try:\n    answer()\n{caught}"
    assert run(kind, "def answer(): raise ValueError", "try:\n    answer()\nexcept ValueError: pass").passed
    assert run(kind, "import os\ndef answer(): os._exit(0)", tests).outcome == "ended"


@pytest.mark.parametrize(
    "program", ["x = 1\n" * 50_000, "\ud800", "\0", "(" * 10_000, "-" * 90_000 + "1", "#coding: rot13\n1"]
)
def test_odd_sources_are_not_loaded(kind: Kind, program: str) -> None:
    assert run(kind, program).outcome in ("not loaded", "ended", "raised")


def test_an_answer_does_not_come_from_what_the_tests_would_call_again(kind: Kind) -> None:
    """A test's helper belongs to the tests, even if the program defines a function of that name."""
    program_test = ProgramTest(
        program="def answer(): return 0\ndef doubled(x): return 0\ndef abs(x): return 0",
        preamble="def doubled(x): return 2 * x",
        tests="assert abs(answer() - doubled(21)) < 1e-9",
        provides=("answer",),
    )
    assert not run_test(program_test, kind=kind).passed
