"""Correct, wrong and unusual completions of HumanEval's problems, made from the canonical ones."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

SWAPS = (
    ("<=", "<"), (" < ", " <= "), ("==", "!="), (" + 1", ""), ("+", "-"), ("True", "False"), ("0", "1"), ("1", "2"),
    ("sorted", "list"), ("not ", ""), ("[]", "None"), (" and ", " or "), ("max", "min"), ("range(", "range(1, "),
)  # fmt: skip
BODIES = (
    "", "    pass\n", "    return None\n", "    return True\n", "    return 0\n", "    return []\n", "    return ''\n",
    "    return 1.0\n", "    yield 1\n", "    return 1 / 0\n", "    raise StopIteration\n", "    raise SystemExit(0)\n",
    "    raise AssertionError\n", "return 1\n", "      return 1\n     return 2\n", "Here is the solution:\n", "    return (\n",
    "    return {ENTRY}\n", "    return lambda *a: a\n", "    return object()\n", "    return float('nan')\n", "    return 1j\n",
    "    import sys\n    sys.exit(0)\n", "    return {ENTRY}(*locals().values())\n", "\tpass\n    return 1\n",
    "    return ...\n", "    assert False\n", "    return NotImplemented\n", "    return b'a'\n", "    return b''.decode()\n",
)  # fmt: skip
TAILS = (
    "\n\nprint('passed')\n", "\n\nif __name__ == '__main__':\n    undefined()\n", "\n\nundefined()\n", "\n\nraise SystemExit\n",
    "\n\ndef check(candidate):\n    return True\n", "\n\nimport sys\nsys.exit(0)\n", "\n# the end", "\n'''\n", "\n\nclass A:\n",
    "\n\ndel {ENTRY}\n", "\n\n{ENTRY} = 3\n", "\n\n{ENTRY} = staticmethod({ENTRY})\n", "\n\nfrom math import *\n",
    "\n\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 0\n", "\nimport collections, heapq, re, itertools\n",
)  # fmt: skip
WRAPPED = (
    "tuple(r) if isinstance(r, list) else r",
    "list(r) if isinstance(r, tuple) else r",
    "float(r) if isinstance(r, int) else r",
    "int(r) if isinstance(r, bool) else r",
    "round(r) if isinstance(r, float) else r",
    "iter(r) if isinstance(r, list) else r",
    "(x for x in r) if isinstance(r, (list, tuple)) else r",
    "str(r)",
    "[r]",
    "__import__('collections').OrderedDict(r) if isinstance(r, dict) else r",
    "__import__('collections').deque(r) if isinstance(r, list) else r",
    "__import__('fractions').Fraction(r) if isinstance(r, (int, float)) else r",
    "__import__('decimal').Decimal(r) if isinstance(r, (int, float)) else r",
    "type('L', (list,), dict())(r) if isinstance(r, list) else r",
    "type('S', (str,), dict())(r) if isinstance(r, str) else r",
    "frozenset(r) if isinstance(r, set) else r",
    "complex(r) if isinstance(r, (int, float)) else r",
    "r.encode() if isinstance(r, str) else r",
    "(lambda: r) if r is None else r",
)
WRAPPER = "\n\n_inner = {ENTRY}\ndef {ENTRY}(*a):\n    r = _inner(*a)\n    return {VALUE}\n"

Problem = dict[str, str]


def canonical(problem: Problem, rng: random.Random) -> str:
    return problem["canonical_solution"]


def truncated(problem: Problem, rng: random.Random) -> str:
    text = problem["canonical_solution"]
    return text[: rng.randrange(len(text))]


def swapped(problem: Problem, rng: random.Random) -> str:
    text = problem["canonical_solution"]
    old, new = rng.choice([swap for swap in SWAPS if swap[0] in text] or [("    ", "     ")])
    place = rng.choice([match.start() for match in re.finditer(re.escape(old), text)] or [0])
    return text[:place] + new + text[place + len(old) :]


def without_a_line(problem: Problem, rng: random.Random) -> str:
    lines = problem["canonical_solution"].splitlines(keepends=True)
    lines.pop(rng.randrange(len(lines)))
    return "".join(lines)


def other_body(problem: Problem, rng: random.Random) -> str:
    return rng.choice(BODIES).replace("{ENTRY}", problem["entry_point"])


def with_a_tail(problem: Problem, rng: random.Random) -> str:
    return problem["canonical_solution"] + rng.choice(TAILS).replace("{ENTRY}", problem["entry_point"])


def other_type(problem: Problem, rng: random.Random) -> str:
    wrapper = WRAPPER.replace("{VALUE}", rng.choice(WRAPPED))
    return problem["canonical_solution"] + wrapper.replace("{ENTRY}", problem["entry_point"])


def whole_function(problem: Problem, rng: random.Random) -> str:
    return "\n" + problem["prompt"] + problem["canonical_solution"]


def fenced(problem: Problem, rng: random.Random) -> str:
    return f"```python\n{problem['prompt']}{problem['canonical_solution']}```"


MAKERS: tuple[Callable[[Problem, random.Random], str], ...] = (
    canonical, truncated, swapped, without_a_line, other_body, with_a_tail, other_type, whole_function, fenced,
)  # fmt: skip
WEIGHTS = (2, 3, 4, 3, 3, 3, 5, 1, 1)


def completions(problems: list[Problem], count: int, seed: int) -> Iterator[tuple[int, str]]:
    """`count` pairs of a problem's index and a completion. The problems take turns."""
    rng = random.Random(seed)
    for turn in range(count):
        number = turn % len(problems)
        [maker] = rng.choices(MAKERS, WEIGHTS)
        yield number, maker(problems[number], rng)
