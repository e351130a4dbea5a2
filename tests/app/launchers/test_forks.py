"""Trainers that are forked from a process with their libraries: what each has of its own, and what ends with what."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from app.launchers.forks import Fork, ForkServer
from app.launchers.local import LocalStudent
from app.launchers.processes import python_module, start_child
from tests.processes import alive, children_of, command_of, status_of, still_alive
from trainer.forkserver import Order

# loading the libraries takes seconds: most tests share a server
pytestmark = pytest.mark.asyncio(loop_scope="module")
VARIABLES = {"ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[ForkServer]:
    async with aclosing(ForkServer(VARIABLES)) as opened:
        yield opened


def order(spec: Path, **variables: str) -> Order:
    return Order(module="trainer.predict", spec=str(spec), variables=variables)


async def start(server: ForkServer, spec: Path, log: Path, *locks: int) -> Fork:
    with log.open("ab") as output:
        fork = await server.start(order(spec), [output.fileno(), *locks])
    assert fork
    return fork


async def test_a_fault_of_a_spec_has_the_exit_code_and_the_log_of_a_trainer_that_was_started_alone(
    server: ForkServer, tmp_path: Path
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text("{}")
    fork = await start(server, spec, tmp_path / "log")
    code = await fork.wait()
    alone = await start_child(
        python_module("trainer.predict", str(spec)), variables=VARIABLES, stderr=asyncio.subprocess.PIPE
    )
    _, said = await alone.communicate()
    assert code == fork.returncode == alone.returncode == 2
    assert (tmp_path / "log").read_bytes() == said
    assert b"task" in said


async def waiting(server: ForkServer, folder: Path) -> Fork:
    """A trainer that waits to read its spec until somebody writes it: a pipe with a name."""
    os.mkfifo(folder / "spec.json")
    return await start(server, folder / "spec.json", folder / "log")


async def test_a_trainer_has_a_session_of_its_own_and_says_what_it_is(
    server: ForkServer, tmp_path: Path
) -> None:
    fork = await waiting(server, tmp_path)
    session = int(status_of(fork.pid)[3])
    title = command_of(fork.pid)
    os.killpg(fork.pid, signal.SIGTERM)
    assert await fork.wait() == -signal.SIGTERM
    assert session == fork.pid
    assert f"-m trainer.predict {tmp_path / 'spec.json'}" in title


async def test_trainers_run_at_the_same_time_and_each_end_is_told_to_its_own(
    server: ForkServer, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    forks = await asyncio.gather(*(waiting(server, folder) for folder in folders))
    os.kill(forks[1].pid, signal.SIGKILL)
    assert await forks[1].wait() == -signal.SIGKILL
    (folders[2] / "spec.json").write_text("nothing")
    assert await forks[2].wait() == 2
    assert forks[0].returncode is None
    assert alive(forks[0].pid)


async def test_a_lock_is_held_until_its_trainer_has_ended(server: ForkServer, tmp_path: Path) -> None:
    """The other end of a pipe stands for the lock: it is closed when the last process with it has ended."""
    reader, lock = os.pipe()
    os.mkfifo(tmp_path / "spec.json")
    fork = await start(server, tmp_path / "spec.json", tmp_path / "log", lock)
    os.close(lock)
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.kill(fork.pid, signal.SIGKILL)
    await fork.wait()
    assert os.read(reader, 1) == b""
    os.close(reader)


async def test_a_killed_server_takes_its_trainers_along_and_the_next_order_starts_another(
    tmp_path: Path,
) -> None:
    """Closing ends the server and its trainers as well."""
    server = ForkServer(VARIABLES)
    fork = await waiting(server, tmp_path)
    (below,) = (child for child in children_of(os.getpid()) if fork.pid in children_of(child))
    os.kill(below, signal.SIGKILL)
    assert await asyncio.wait_for(fork.wait(), 10) == -signal.SIGKILL
    assert still_alive([fork.pid], 10) == []
    (tmp_path / "again").mkdir()
    fork = await waiting(server, tmp_path / "again")
    assert alive(fork.pid)
    await server.aclose()
    assert await fork.wait() == -signal.SIGKILL
    assert still_alive([fork.pid], 10) == []


async def test_a_start_that_nobody_waits_for_leaves_no_trainer(tmp_path: Path) -> None:
    """It is cancelled while the libraries load. The next order gets a trainer of its own."""
    async with aclosing(ForkServer(VARIABLES)) as server:
        (tmp_path / "first").mkdir()
        given_up = asyncio.create_task(waiting(server, tmp_path / "first"))
        await asyncio.sleep(0.5)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        (tmp_path / "spec.json").write_text("{}")
        assert await (await start(server, tmp_path / "spec.json", tmp_path / "log")).wait() == 2
        title = str(tmp_path / "first" / "spec.json")
        assert [child for child in children_of(os.getpid()) if title in command_of(child)] == []


async def test_a_student_ends_only_a_server_of_its_own(server: ForkServer, tmp_path: Path) -> None:
    fork = await waiting(server, tmp_path)
    await LocalStudent(lambda _: None, forks=server).aclose()
    assert alive(fork.pid)
    os.killpg(fork.pid, signal.SIGTERM)
    assert await fork.wait() == -signal.SIGTERM


async def test_without_the_libraries_there_is_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trainer that is started in the ordinary way then says what is missing."""
    broken = tmp_path / "modules"
    broken.mkdir()
    (broken / "torch.py").write_text("raise ImportError('not here')\n")
    async with aclosing(ForkServer(VARIABLES | {"PYTHONPATH": str(broken)})) as server:
        with (tmp_path / "log").open("ab") as output:
            assert await server.start(order(tmp_path / "spec.json"), [output.fileno()]) is None
            assert await server.start(order(tmp_path / "spec.json"), [output.fileno()]) is None


async def test_a_process_that_has_opened_a_gpu_is_not_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer import forkserver

    assert not forkserver.touched_gpu()
    real = os.path.realpath
    opened = (tmp_path / "nvidiactl").open("w")
    monkeypatch.setattr(
        os.path, "realpath", lambda path: real(path).replace(str(tmp_path / "nvidia"), "/dev/nvidia")
    )
    with opened:
        assert forkserver.touched_gpu()
    assert not forkserver.touched_gpu()
