"""An earlier owner of a run is refused wherever it writes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from app.db.checkpoints import fenced_checkpoints
from graphs.run_paths import RunPaths
from graphs.teacher.cost import Charge
from graphs.teacher.ledger import Ledger
from tests.conftest import Run as WholeRun
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import allowing, serving
from tests.tiny_task import config_for
from trainer.fencing import Fence, Superseded

WRITER = """
import sys
from pathlib import Path
from trainer.artifacts import write_json
from trainer.fencing import Fence, Superseded, guard
root = Path(sys.argv[1])
fence = Fence(folder=root / "owners", token=int(sys.argv[2]))
fence.take()
guard(fence)
print("owner", flush=True)
refused = written = 0
for line in sys.stdin:
    try:
        write_json(root / "file.json", {"token": fence.token})
        written += 1
    except Superseded:
        refused += 1
print(written, refused, flush=True)
"""


def test_a_file_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    """A process that is stopped, replaced, and wakes up again: 100 writes, 100 refused."""
    old = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert old.stdin
    assert old.stdout
    assert old.stdout.readline() == "owner\n"
    os.kill(old.pid, signal.SIGSTOP)
    Fence(folder=tmp_path / "owners", token=2).take()
    (tmp_path / "file.json").write_text("the new owner's")
    os.kill(old.pid, signal.SIGCONT)
    told, _ = old.communicate("write\n" * 100, timeout=30)
    assert told == "0 100\n"
    assert (tmp_path / "file.json").read_text() == "the new owner's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.json", "owners"]


def test_a_run_cannot_be_taken_back(tmp_path: Path) -> None:
    Fence(folder=tmp_path / "owners", token=10).take()
    with pytest.raises(Superseded):
        Fence(folder=tmp_path / "owners", token=9).take()


async def test_the_ledger_refuses(tmp_path: Path) -> None:
    old = Ledger(tmp_path / "ledger.sqlite", "run", token=1)
    bound = Charge(1, 10, 10, 0.1)
    held = await old.hold("judge", "key", "model", bound, lambda _: True)
    assert isinstance(held, int)
    new = Ledger(tmp_path / "ledger.sqlite", "run", token=2)
    for _ in range(100):
        with pytest.raises(Superseded):
            await old.finalize(held, "answered", bound, "{}")
        with pytest.raises(Superseded):
            await old.hold("judge", "other", "model", bound, lambda _: True)
    assert new.recall("key", "judge") is None
    assert new.totals().calls == 0
    with pytest.raises(Superseded):
        Ledger(tmp_path / "ledger.sqlite", "run", token=1)
    assert Ledger(tmp_path / "ledger.sqlite", "another run", token=1).totals().calls == 0


async def test_the_checkpoints_refuse(tmp_path: Path) -> None:
    thread: Any = {"configurable": {"thread_id": "run", "checkpoint_ns": ""}}

    async def sleep_and_write() -> None:
        async with fenced_checkpoints(RunPaths(tmp_path), 1) as old:
            kept = await old.aput(thread, empty_checkpoint(), {}, {})
            async with fenced_checkpoints(RunPaths(tmp_path), 2) as new:
                await new.aput_writes(kept, [("channel", 1)], "task")
                for _ in range(100):
                    with pytest.raises(sqlite3.IntegrityError, match="superseded"):
                        await old.aput_writes(kept, [("channel", 2)], "other task")
                checkpoint = await new.aget_tuple(thread)
                assert checkpoint
                assert checkpoint.pending_writes == [("task", "channel", 1)]
            await old.aput(thread, empty_checkpoint(), {}, {})

    with pytest.raises(Superseded):
        await sleep_and_write()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["fine_tune", "augment"])
def test_a_stopped_worker_that_wakes_up_does_no_harm(
    tmp_path: Path,
    data: Path,
    student: Path,
    scripted_teacher: ScriptedTeacherServer,
    whole_run: WholeRun,
    stage: str,
) -> None:
    """Two services on one database: the first one's worker sleeps, the second takes the run over and ends it."""
    settings = {
        **allowing(scripted_teacher.url, data, student),
        "PADA_LEASE_SECONDS": "6",
        "PADA_HEARTBEAT_SECONDS": "1",
    }
    config = config_for(data, student, scripted_teacher.url) | {"data": {"folder": str(data)}}
    scripted_teacher.latency = 0.1
    with serving(tmp_path / "home", **settings) as first:
        run = first.start_run(config)
        first.wait(run, stage=stage)
        sleeping = first.worker(run)
        os.kill(sleeping, signal.SIGSTOP)
        scripted_teacher.latency = 0.0
        with serving(tmp_path / "home", **first.settings) as second:
            second.wait(run, stage="finish")
            os.kill(sleeping, signal.SIGCONT)
            assert second.wait(run)["status"] == "finished"
            report = second.get(f"/{run}/report")
            events = second.events(run)
            time.sleep(2)
            assert second.get(f"/{run}")["last_event"] == len(events)
    for key in ("accepted", "baseline", "best", "test"):
        assert report[key] == whole_run.report[key], key
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    told = [event["status"] for event in events if event["type"] == "run"]
    assert told == ["queued", "running", "running", "finished"]
