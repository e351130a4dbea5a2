"""A process is told from a later one with its pid, and from one of another machine."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from app.launchers.processes import Process


def test_a_process_lives_until_it_ends_also_where_nobody_has_waited_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = Process.find(child.pid)
    assert found
    again = Process.parse(str(found))
    assert again == found
    assert again.lives
    assert not again.is_gone
    later = replace(found, started=str(int(found.started) - 1))
    assert later.is_gone, "its pid is another's now"
    child.kill()
    subprocess.run(["sleep", "0.2"], check=True)
    assert found.is_gone, "a zombie works on nothing"
    child.wait()
    assert found.is_gone
    assert not found.lives


def test_of_a_process_elsewhere_nothing_is_known() -> None:
    found = Process("another-boot/pid:[1]", 1, "1")
    assert not found.lives
    assert not found.is_gone


def test_other_texts_name_no_process() -> None:
    assert Process.parse("") is None
    assert Process.parse("host:12:abcdef") is None
