"""A process is told from a later one with its pid, and from one of another machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app.launchers.processes import Process, python_module, start_child


def test_a_process_lives_until_it_ends_also_where_nobody_has_waited_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = Process.find(child.pid)
    assert process
    again = Process.parse(str(process))
    assert again == process
    assert again.lives
    assert not again.is_gone
    later = replace(process, started=str(int(process.started) - 1))
    assert later.is_gone, "its pid is another's now"
    child.kill()
    subprocess.run(["sleep", "0.2"], check=True)
    assert process.is_gone, "a zombie works on nothing"
    child.wait()
    assert process.is_gone
    assert not process.lives


def test_of_a_process_elsewhere_nothing_is_known() -> None:
    process = Process("another-boot/pid:[1]", 1, "1")
    assert not process.lives
    assert not process.is_gone


def test_other_texts_name_no_process() -> None:
    assert Process.parse("") is None
    assert Process.parse("host:12:abcdef") is None


def test_a_child_ends_when_its_parent_is_killed() -> None:
    """The parent is killed, and its child, which would sleep for a minute, is gone with it."""
    code = (
        "import asyncio, sys\n"
        "from app.launchers.processes import start_child\n"
        "async def main():\n"
        "    child = await start_child(['sleep', '60'], variables={'PADA_TEST': '1'})\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = Process.find(int(parent.stdout.readline()))
    assert child
    assert child.lives
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not child.lives:
            break
        time.sleep(0.05)
    assert not child.lives


async def test_folders_of_the_user_do_not_stand_for_our_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m` looks into the current folder first."""
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "__init__.py").write_text("raise SystemExit('a folder of the user')\n")
    monkeypatch.chdir(tmp_path)
    child = await start_child(python_module("trainer.presets"), stderr=asyncio.subprocess.PIPE)
    _, said = await child.communicate()
    assert (child.returncode, said) == (0, b"")


async def test_a_child_gets_our_variables_and_more_and_reads_nothing() -> None:
    code = "import os, sys; print(os.environ['PADA_TEST'], 'PATH' in os.environ, repr(sys.stdin.read()))"
    line = [sys.executable, "-c", code]
    child = await start_child(line, variables={"PADA_TEST": "one"}, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    assert output == b"one True ''\n"
    assert child.returncode == 0


@pytest.mark.parametrize(("own", "seen"), [(None, "1000"), ("5", "5")])
async def test_the_threads_of_a_child_spin_briefly_unless_the_user_says_how_long(
    own: str | None, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    if own:
        monkeypatch.setenv("GOMP_SPINCOUNT", own)
    child = await start_child(["printenv", "GOMP_SPINCOUNT"], stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()
    assert said.decode().strip() == seen
