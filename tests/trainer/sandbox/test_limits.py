"""Limits on what a generated program uses: time, memory, disk."""

from __future__ import annotations

import time

import pytest

from tests.trainer.sandbox.sandboxes import RIGHT, SHORT, function, returned, run
from trainer.sandbox.execution import ProgramTest, run_tests
from trainer.sandbox.launch import Kind
from trainer.sandbox.limits import Limits

BOMBS = {
    "computes for ever": "while True: pass",
    "catches the signal": "import signal\nsignal.signal(signal.SIGXCPU, lambda *a: None)\nwhile True: pass",
    "computes in C": "return 7 ** 10 ** 9 % 2",
    "backtracks": "import re\nreturn re.match('(a+)+$', 'a' * 64 + 'b')",
    "forks": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "starts threads": "import threading\nwhile True:\n    try: threading.Thread(target=print).start()\n    except RuntimeError: pass",
    "prints for ever": "import os\nwhile True:\n    print('x' * 10000, flush=True)\n    os.write(2, b'x' * 10000)",
    "floods the channel": "import os\nwhile True:\n    for d in range(3, 64):\n        try: os.write(d, b'\\x00' * 65536)\n        except OSError: pass",
}  # fmt: skip


def test_time_bombs_are_stopped(kind: Kind) -> None:
    tests = [ProgramTest(function(bomb), "assert answer() == 42", ("answer",)) for bomb in BOMBS.values()]
    start = time.monotonic()
    verdicts = dict(zip(BOMBS, run_tests(tests, SHORT, kind), strict=True))
    assert time.monotonic() - start < len(BOMBS) * 2 * SHORT.wall_seconds
    flood = verdicts.pop("floods the channel")
    assert flood.outcome in ("stopped", "ended")
    assert {name: verdict.outcome for name, verdict in verdicts.items()} == dict.fromkeys(verdicts, "stopped")
    assert verdicts["computes for ever"].reason == "The program was stopped: it had computed for 1 s."
    assert run(kind, RIGHT, limits=SHORT).passed


@pytest.mark.parametrize(
    "body",
    [
        "import time\ntime.sleep(1000)",
        "import signal\nsignal.pause()",
        "import select\nselect.select([], [], [])",
    ],
)
def test_waiting_is_stopped(kind: Kind, body: str) -> None:
    reason = returned(kind, body, Limits(wall_seconds=1.5))
    assert reason == "The program was stopped: it had not finished within 1.5 s."


def test_what_a_program_returns_cannot_hold_the_tests_up(kind: Kind) -> None:
    verdict = run(kind, "def answer(): return range(10 ** 18)", "assert sum(answer()) == 42", SHORT)
    assert (verdict.outcome, verdict.reason) == (
        "stopped",
        "The program's tests were stopped: they had computed for 1 s.",
    )


@pytest.mark.parametrize(
    "body",
    [
        "x = [0] * 10**10",
        "x = b'x' * (2 << 30)",
        "x = 'x'\nwhile True: x += x",
        "import mmap\nx = mmap.mmap(-1, 2 << 30)",
    ],
)
def test_memory_is_limited(kind: Kind, body: str) -> None:
    reason = returned(kind, f"{body}\nreturn 'had it'", SHORT)
    assert any(
        error in reason for error in ("MemoryError", "OverflowError", "Cannot allocate", "was stopped")
    ), reason


def test_files_are_limited(kind: Kind) -> None:
    body = """
import os
total, number = 0, 0
try:
    while True:
        with open(f'/tmp/{number}', 'wb') as file:
            for _ in range(64): total += file.write(b'x' * (1 << 20))
        number += 1
except OSError:
    return total >> 20
"""
    reason = returned(kind, body, Limits(cpu_seconds=2))
    mebibytes = int(reason.removesuffix(".").split()[-1]) if "returned" in reason else 0
    assert mebibytes <= 17, reason


def test_open_files_are_limited(kind: Kind) -> None:
    body = "import os\nfor n in range(10_000):\n    try: os.dup(0)\n    except OSError: return n\nreturn n"
    assert int(returned(kind, body).removesuffix(".").split()[-1]) < 64
