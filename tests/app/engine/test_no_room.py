"""A disk that is full in the middle of each kind of write, a folder that is read-only, and too many open files: the run
pauses and says why, leaves nothing half written, and goes on to the same end."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from app.config.run_config import RunConfig
from app.engine import event_log, session, wiring
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from graphs.report import Report
from graphs.run_paths import RunPaths
from graphs.teacher.ledger import Ledger
from tests.duplicate_calls import repeats
from tests.fakes import FakeEmbedder, FakeStudent
from tests.no_room import no_handles, no_room, trouble_in
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for
from trainer import artifacts
from trainer.artifacts import read_jsonl

Trouble = Callable[[], AbstractContextManager[None]]


class Embedder(FakeEmbedder):
    """In place of the process that embeds."""

    def __init__(self, _: str):
        pass

    async def start(self) -> None:
        """There is nothing to start."""

    async def aclose(self) -> None:
        """There is nothing to close."""


@contextmanager
def read_only() -> Iterator[None]:
    """As on a file system that the kernel has made read-only after an error of the disk."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "the run's folder")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.artifacts.tempfile.mkstemp", lambda *_, **__: refuse())
        yield


@dataclass
class Run:
    """One run in a folder, with a teacher over HTTP and a student that learns in milliseconds."""

    config: RunConfig
    folder: Path
    teacher: ScriptedTeacherServer

    async def go(self) -> Report:
        """One start."""
        return await Runner(self.config, self.folder, lambda _: None, RunOptions(student=FakeStudent())).run()

    def accepted(self) -> list[dict[str, Any]]:
        """All new rows that were accepted."""
        return [
            row for path in sorted(self.folder.glob("rounds/*/accepted.jsonl")) for row in read_jsonl(path)
        ]


@pytest.fixture(scope="module")
def new_run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Callable[[], Run]]:
    with pytest.MonkeyPatch.context() as patch, ScriptedTeacherServer() as teacher:
        patch.setattr(wiring, "EmbeddingWorker", Embedder)
        patch.setenv("TINY_KEY", "key")
        document = config_for(data, "nobody/loads-it", teacher.url, loop={"rounds": 1})
        config = RunConfig.model_validate(document | {"data": {"folder": str(data)}})
        yield lambda: Run(config, tmp_path_factory.mktemp("run") / "run", teacher)


@pytest.fixture(scope="module")
def undisturbed(new_run: Callable[[], Run]) -> tuple[Run, Report]:
    run = new_run()
    return run, asyncio.run(run.go())


def of_file(ending: str) -> Callable[..., bool]:
    return lambda path, *_: path.as_posix().endswith(ending)


def of_event(kind: bytes) -> Callable[..., bool]:
    return lambda _, line: kind in line


Patch = Callable[[pytest.MonkeyPatch], list[Any]]
"""Makes trouble from now on; returns the calls that met it."""


MOST_PAGES = 1 << 30


def full_ledger(patch: pytest.MonkeyPatch) -> list[Any]:
    """The ledger's file takes no further page for a hold of the generator. A limit of the process would meet answers too
    that arrive meanwhile, and the reserve that the ledger gives back for them does not help against it."""
    hold, met = Ledger._hold, []

    def _hold(ledger: Ledger, connection: sqlite3.Connection, role: str, *more: Any) -> Any:
        if role == "generator":
            met.append(role)
            connection.execute("PRAGMA max_page_count = 1")
            try:
                connection.execute("CREATE TABLE more AS SELECT zeroblob(1000000)")
            finally:
                connection.execute(f"PRAGMA max_page_count = {MOST_PAGES}")
        return hold(ledger, connection, role, *more)

    patch.setattr(Ledger, "_hold", _hold)
    return met


def full_checkpoints(patch: pytest.MonkeyPatch) -> list[Any]:
    """After the first steps, the file of the checkpoints takes no further page."""
    put, met = AsyncSqliteSaver.aput, []

    async def aput(saver: Any, config: Any, checkpoint: Any, *more: Any) -> Any:
        if len(checkpoint["channel_versions"]) > 8:
            met.append(checkpoint)
            await saver.conn.execute("PRAGMA max_page_count = 1")
        return await put(saver, config, checkpoint, *more)

    patch.setattr(AsyncSqliteSaver, "aput", aput)
    return met


WRITES: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "rows": (artifacts, "write_text", of_file("rounds/1/accepted.jsonl")),
    "predictions": (artifacts, "write_text", of_file("rounds/1/predictions/validation.jsonl")),
    "adapter": (artifacts, "write_text", of_file("rounds/1/student/adapter/rows.jsonl")),
    "artifact of a node": (artifacts, "write_text", of_file("gate.json")),
    "report": (session, "write_report", lambda *_: True),
    "event log": (event_log.EventLog, "_append", of_event(b'"augment"')),
}


def whole(folder: Path) -> None:
    """Every file is complete, and no temporary one is left."""
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    for path in folder.rglob("*.jsonl"):
        assert path.read_text()[-1:] in ("\n", ""), path
        list(read_jsonl(path))
    assert [path for path in folder.rglob(".*") if path.name != ".lock"] == []
    for path in folder.rglob("*.sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def stopped_and_resumed(
    run: Run, undisturbed: tuple[Run, Report], monkeypatch: pytest.MonkeyPatch, make_trouble: Patch
) -> Report:
    """The report of the start that met the trouble; the next start must end as if there had been none."""
    other, expected = undisturbed
    assert expected.status == "finished"
    run.teacher.seen.clear()
    with monkeypatch.context() as patch:
        met = make_trouble(patch)
        report = await run.go()
        assert met, "the run never came there"
    whole(run.folder)
    again = await run.go()
    assert again.status == "finished"
    assert (again.accepted, again.test) == (expected.accepted, expected.test)
    assert run.accepted() == other.accepted()
    assert repeats(run.teacher.seen) == [], "an answer was paid for twice"
    whole(run.folder)
    events = list(read_jsonl(RunPaths(run.folder).events))
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    return report


def trouble_of(kind: str, trouble: Trouble) -> Patch:
    owner, name, where = WRITES[kind]
    return lambda patch: trouble_in(patch, owner, name, trouble, where)


@pytest.mark.parametrize(
    "make_trouble",
    [*(trouble_of(kind, no_room) for kind in WRITES), full_ledger, full_checkpoints],
    ids=[*WRITES, "ledger", "checkpoint"],
)
async def test_a_full_disk_pauses_the_run_wherever_it_is_met(
    make_trouble: Patch,
    new_run: Callable[[], Run],
    undisturbed: tuple[Run, Report],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = await stopped_and_resumed(new_run(), undisturbed, monkeypatch, make_trouble)
    assert (report.status, report.waiting_for) == ("paused", "machine")
    assert "Make room" in report.stopped


@pytest.mark.parametrize(("trouble", "said"), [(read_only, "Read-only"), (no_handles, "Too many open files")])
async def test_other_trouble_of_the_machine_pauses_the_run_too(
    trouble: Trouble,
    said: str,
    new_run: Callable[[], Run],
    undisturbed: tuple[Run, Report],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = await stopped_and_resumed(new_run(), undisturbed, monkeypatch, trouble_of("rows", trouble))
    assert (report.status, report.waiting_for) == ("paused", "machine")
    assert said in report.stopped
