"""What a run leaves in the databases does not grow with its rows: the real graph and checkpointer, played by stand-ins."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import RunConfig
from app.db import leases as lease_repository
from app.db import runs as run_repository
from app.db.engine import make_engine, make_sessions
from app.db.migrate import upgrade
from app.db.models import Run
from app.db.run_summary import RunSummary
from app.engine import wiring
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from app.executor.leased_run import LeasedRunStore
from app.settings import Settings
from graphs.report import Report
from graphs.run_paths import RunPaths
from graphs.workspace import Workspace
from tests import fakes
from tests.fakes import FakeEmbedder, FakeStudent, ScriptedTeacher
from tests.tiny_task import rows, write_rows
from trainer.artifacts import read_jsonl, write_jsonl
from trainer.records import Example, Prediction
from trainer.specs import PredictFile, PredictReport
from trainer.tasks import load_task

STEP_BYTES = 64 * 1024
DATABASE_BYTES = 50_000_000
ROUNDS = 10
ROWS = {"train": 50_000, "validation": 2_000, "test": 200}
LOOP = {
    "rounds": ROUNDS,
    "patience": ROUNDS,
    "max_analyses": 1_200,
    "synthetic_per_round": 2_400,
    "samples_per_batch": 3,
}
NAME = "f" * 32


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    for split, count in ROWS.items():
        named = [row | {"id": row["id"].rjust(200, ".")} for row in rows(split, count)]
        (tmp_path / "data").mkdir(exist_ok=True)
        write_rows(tmp_path / "data" / f"{split}.jsonl", named)
    return RunConfig.model_validate(
        {
            "task": "classification",
            "data": {"folder": str(tmp_path / "data")},
            "teacher": {"base_url": "http://localhost/v1", "model": "played"},
            "loop": LOOP,
        }
    )


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """A student that never learns, so that no round lacks errors, and an embedder and a teacher that answer at once."""

    def answer_files(artifact: Path, files: list[PredictFile]) -> PredictReport:
        for file in files:
            write_jsonl(
                file.output, [Prediction(id=row["id"], text="login") for row in read_jsonl(file.rows)]
            )
        return PredictReport(predictions={file.name: file.output for file in files})

    @asynccontextmanager
    async def open_workspace(
        config: RunConfig, run_id: str, paths: RunPaths, student: FakeStudent, *_: Any
    ) -> AsyncIterator[Workspace]:
        task = load_task(config.task, [Example(**row) for row in read_jsonl(paths.data("train"))])
        yield Workspace(ScriptedTeacher(), student, FakeEmbedder(), task, config.loop, paths)

    monkeypatch.setattr(fakes, "answer_files", answer_files)
    monkeypatch.setattr(wiring, "open_workspace", open_workspace)


async def work(settings: Settings, config: RunConfig) -> Report:
    """One run from its claim to its end, as a worker of the service does it."""
    engine = make_engine(settings.database)
    await upgrade(engine)
    sessions = make_sessions(engine)
    async with sessions.begin() as session:
        await run_repository.add(session, Run(id=NAME, owner="", config={}, view={}, last_event=0, token=0))
        lease = await lease_repository.claim_next(session, "worker", 3600)
    assert lease
    root = settings.runs / NAME
    store = LeasedRunStore(sessions, settings.database, lease, root, RunSummary())
    report = await Runner(config, root, lambda _: None, RunOptions(store, FakeStudent())).run()
    await engine.dispose()
    return report


def ask(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
async def test_large_data_leaves_small_steps_and_a_small_database(tmp_path: Path, config: RunConfig) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.runs.mkdir(parents=True)
    report = await work(settings, config)
    assert report.status == "finished"
    assert len(report.rounds) == ROUNDS + 1
    assert report.accepted > ROUNDS * 1_500
    paths = RunPaths(settings.runs / NAME)
    analysed = [len(list(paths.round(number).analyses.iterdir())) for number in range(1, ROUNDS + 1)]
    assert analysed == [LOOP["max_analyses"]] * ROUNDS

    ((largest,),) = ask(
        paths.checkpoints,
        "SELECT max(length(checkpoint) + length(metadata) + (SELECT coalesce(sum(length(value)), 0) FROM writes"
        " WHERE writes.checkpoint_id = checkpoints.checkpoint_id)) FROM checkpoints",
    )
    assert largest <= STEP_BYTES
    service = settings.home / "pada.sqlite"
    (events,) = ask(service, "SELECT count(*), max(id) FROM run_events")
    assert events[0] == events[1] > ROUNDS * 12
    files = [file for path in (paths.checkpoints, service) for file in path.parent.glob(f"{path.name}*")]
    size = sum(file.stat().st_size for file in files)
    assert size < DATABASE_BYTES
    print(f"largest step {largest} bytes, databases {size / 1e6:.1f} MB, {events[0]} events")
