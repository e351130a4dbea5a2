"""One trainer on each device; it is free again when the trainer has ended, however that was."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.launchers import devices
from app.launchers.devices import Devices, Place, hold, take, wanted


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "LOCKS", tmp_path)


def sleeper(held: Devices) -> subprocess.Popen[bytes]:
    """A process that has a device, as the trainer has."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=held.locks)


async def test_who_comes_beyond_the_devices_waits_until_one_is_free() -> None:
    waited: list[str] = []
    places, done = [Place("0"), Place("1")], []

    async def work(name: str) -> None:
        held = await hold(places, 1, lambda: waited.append(name))
        done.append(held.names)
        await asyncio.sleep(0.2)
        devices.give_up(held.locks)

    await asyncio.gather(*(work(name) for name in "abc"))
    assert waited == ["c"]
    assert sorted(map(str, done[:2])) == ["['0']", "['1']"]
    assert len(done) == 3


async def test_a_killed_trainer_frees_its_device_though_its_starter_only_sleeps() -> None:
    held = take([Place("0")], 1)
    assert held
    child = sleeper(held)
    devices.give_up(held.locks)
    assert take([Place("0")], 1) is None, "the trainer has it"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    again = take([Place("0")], 1)
    assert again
    devices.give_up(again.locks)


async def test_several_are_taken_together_or_not_at_all() -> None:
    one = take([Place("0"), Place("1")], 1)
    assert one
    assert one.environment() == {"CUDA_VISIBLE_DEVICES": "0"}
    assert take([Place("0"), Place("1")], 2) is None
    other = take([Place("0"), Place("1")], 1)
    assert other
    assert other.names == ["1"], "the refused one left nothing locked"
    devices.give_up([*one.locks, *other.locks])
    both = take([Place("0"), Place("1")], 2)
    assert both
    assert both.environment() == {"CUDA_VISIBLE_DEVICES": "0,1"}
    devices.give_up(both.locks)


async def test_others_see_that_somebody_waits() -> None:
    held = take([Place("0")], 1)
    assert held
    assert not wanted()
    waiting, begun = [], asyncio.Event()
    for _ in range(2):
        waiting.append(asyncio.create_task(hold([Place("0")], 1, begun.set)))
    await begun.wait()
    assert wanted()
    waiting.pop().cancel()
    devices.give_up(held.locks)
    devices.give_up((await waiting[0]).locks)
    assert not wanted()


async def test_trainers_share_a_device_when_all_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_TRAINERS_PER_DEVICE", "2")
    monkeypatch.setattr(devices, "devices", lambda _: ["0", "1"])
    taken = [await hold(devices.places(), 1, lambda: None) for _ in range(4)]
    assert [each.names for each in taken] == [["0"], ["1"], ["0"], ["1"]]
    assert take(devices.places(), 1) is None
    devices.give_up(taken[0].locks)
    devices.give_up(taken[2].locks)
    assert take(devices.places(), 2) is None, "two places on one device are no two devices"
    for each in (taken[1], taken[3]):
        devices.give_up(each.locks)


async def test_all_devices_are_taken_where_there_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_TRAINERS_PER_DEVICE", "3")
    monkeypatch.setattr(devices, "devices", lambda _: ["0"])
    held = await hold(devices.places(), 2, lambda: None)
    assert held.names == ["0"]
    devices.give_up(held.locks)
