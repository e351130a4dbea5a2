"""The ledger alone: sums, kills, two processes, a full disk."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from graphs.errors import LoopError
from graphs.teacher.cost import Charge, Committed
from graphs.teacher.ledger import Ledger

BOUND = Charge(1, 1000, 500, 0.02)


def always(spent: Committed) -> bool:
    return True


async def hold(ledger: Ledger, key: str = "k", role: str = "analyst") -> int:
    held = await ledger.hold(role, key, "model", BOUND, always)
    assert isinstance(held, int)
    return held


async def committed(ledger: Ledger) -> Committed:
    seen = await ledger.hold("probe", "k", "model", BOUND, lambda spent: False)
    assert isinstance(seen, Committed)
    return seen


def run_python(code: str, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


async def test_answer_is_recalled_by_any_run_and_counted(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "a" / "ledger.sqlite", "one")
    assert first.recall("k", "analyst") is None
    await first.finalize(await hold(first), "answered", Charge(1, 10, 5, 0.001), '{"a": "é"}')
    second = Ledger(first.path, "two")
    assert second.recall("k", "judge") == '{"a": "é"}'
    second.repeat("judge")
    assert (first.totals().repeated, second.totals().repeated) == (0, 2)
    second.close()
    second = Ledger(first.path, "two")
    assert second.totals().repeated == 2
    assert (second.totals().calls, second.totals().usd) == (0, 0.0)
    first.close()
    second.close()


async def test_totals_and_spending_add_up(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", "r")
    assert ledger.totals().calls == 0
    assert ledger.spending() == []
    await ledger.finalize(await hold(ledger, "a"), "answered", Charge(1, 100, 10, 0.25), "{}")
    await ledger.finalize(await hold(ledger, "b"), "busy", Charge())
    await ledger.finalize(await hold(ledger, "b", "judge"), "unfit", Charge(1, 200, 20, 0.5))
    await ledger.finalize(await hold(ledger, "c", "judge"), "down", None)
    cost, points = ledger.totals(), ledger.spending()
    ledger.close()
    assert (cost.calls, cost.prompt_tokens, cost.completion_tokens, cost.usd, cost.retries) == (
        2,
        300,
        30,
        0.75,
        3,
    )
    assert cost.by_role == {
        "analyst": {"calls": 1, "prompt_tokens": 100, "completion_tokens": 10, "usd": 0.25},
        "judge": {"calls": 1, "prompt_tokens": 200, "completion_tokens": 20, "usd": 0.5},
    }
    assert [(p.calls, p.tokens, p.usd) for p in points] == [(1, 110, 0.25), (2, 330, 0.75)]
    assert 0 <= points[0].seconds <= points[1].seconds < 10


async def test_spending_is_thinned_but_ends_at_the_total(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", "r")
    for n in range(25):
        await ledger.finalize(await hold(ledger, str(n)), "answered", Charge(1, 1, 1, 1.0), "{}")
    points = ledger.spending(points=10)
    ledger.close()
    assert len(points) <= 10
    assert (points[-1].calls, points[-1].usd) == (25, 25.0)


async def test_holds_count_until_settled_and_stay_when_nobody_knows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", "r")
    paid, refused, unknown = [await hold(ledger, key) for key in "abc"]
    assert await committed(ledger) == Committed(3, 4500, 0.06)
    await ledger.finalize(paid, "answered", Charge(1, 10, 10, 0.001), "{}")
    await ledger.finalize(refused, "busy", Charge())
    await ledger.finalize(unknown, "down", None)
    seen = await committed(ledger)
    ledger.close()
    assert (seen.calls, seen.tokens) == (2, 1520)
    assert seen.usd == pytest.approx(0.021)


async def test_what_was_in_flight_at_a_kill_stays_held(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    code = """
import asyncio, pathlib, sys
from graphs.teacher.cost import Charge
from graphs.teacher.ledger import Ledger
async def main():
    ledger = Ledger(pathlib.Path(sys.argv[1]), "r")
    for n in range(3):
        attempt = await ledger.hold("analyst", str(n), "m", Charge(1, 1000, 500, 0.02), lambda spent: True)
        if n < 2:
            await ledger.finalize(attempt, "answered", Charge(1, 100, 50, 0.01), "{}")
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    child = run_python(code, str(path))
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    ledger = Ledger(path, "r")
    assert ledger.recall("1", "analyst") == "{}"
    assert ledger.recall("2", "analyst") is None
    assert (await committed(ledger)).tokens == 2 * 150 + 1500
    assert ledger.totals().calls == 2
    ledger.close()


async def test_two_processes_and_many_tasks_lose_nothing_and_keep_one_cap(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    code = """
import asyncio, pathlib, sys
from graphs.teacher.cost import Charge
from graphs.teacher.ledger import Ledger
async def main():
    ledger = Ledger(pathlib.Path(sys.argv[1]), "r")
    async def work(n):
        held = await ledger.hold("analyst", f"{sys.argv[2]}-{n}", "m", Charge(1, 1, 1, 0.0), lambda s: s.calls < 150)
        if isinstance(held, int):
            await ledger.finalize(held, "answered", Charge(1, 2, 1, 0.5), "{}")
    await asyncio.gather(*(work(n) for n in range(100)))
    ledger.close()
asyncio.run(main())
"""
    children = [run_python(code, str(path), name) for name in ("a", "b")]
    for child in children:
        assert child.communicate(timeout=60)[1] == b""
    ledger = Ledger(path, "r")
    cost = ledger.totals()
    ledger.close()
    assert (cost.calls, cost.prompt_tokens, cost.completion_tokens, cost.usd) == (150, 300, 150, 75.0)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone() == (150,)
    connection.close()


def test_full_disk_is_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    code = """
import asyncio, pathlib, resource, sys
from graphs.errors import LoopError
from graphs.teacher.cost import Charge
from graphs.teacher.ledger import Ledger
async def main():
    ledger = Ledger(pathlib.Path(sys.argv[1]), "r")
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    for n in range(1000):
        try:
            held = await ledger.hold("analyst", str(n), "m", Charge(1, 1, 1, 0.0), lambda spent: True)
            await ledger.finalize(held, "answered", Charge(1, 1, 1, 0.0), "x" * 2000)
        except LoopError as error:
            print(n, error)
            return
asyncio.run(main())
"""
    out, _ = run_python(code, str(path)).communicate(timeout=60)
    count, _, message = out.decode().partition(" ")
    assert "ledger.sqlite cannot be used" in message
    assert "disk" in message

    ledger = Ledger(path, "r")
    found = [ledger.recall(str(n), "analyst") for n in range(int(count) + 1)]
    ledger.close()
    assert sum(answer is not None for answer in found) == int(count) > 10


async def test_answers_on_their_way_are_recorded_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own limit is the disk; giving the reserve back raises it."""
    ledger = Ledger(tmp_path / "ledger.sqlite", "r")
    writer, give_back = ledger._file._writer, ledger._file.use_reserve
    held = {key: await hold(ledger, key) for key in "abcd"}
    full = asyncio.Event()

    def use_reserve(error: LoopError) -> bool:
        writer.execute("PRAGMA max_page_count = 1000000")
        full.set()
        return give_back(error)

    monkeypatch.setattr(ledger._file, "use_reserve", use_reserve)
    writer.execute("PRAGMA max_page_count = 1")
    answer = json.dumps("x" * 100_000)
    finalized = (ledger.finalize(held[key], "answered", Charge(1), answer) for key in held)
    told = await asyncio.gather(*finalized, return_exceptions=True)
    assert full.is_set()
    assert any(isinstance(error, LoopError) for error in told), (
        "the run would ask on until the reserve is used up"
    )
    assert {key: ledger.recall(key, "analyst") for key in held} == dict.fromkeys(held, answer)
    ledger.close()
