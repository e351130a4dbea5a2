"""LangGraph's conformance suite for checkpointers, on each of ours as it is configured: strict, and fenced."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import BASE_CAPABILITIES
from langgraph.checkpoint.conformance.report import CapabilityReport

from app.db.checkpoints import fenced_checkpoints, postgres_checkpoints
from app.db.engine import make_engine
from app.db.migrate import upgrade
from app.engine.run_store import Saver, open_checkpoints
from app.settings import Settings
from graphs.run_paths import RunPaths
from tests.service import new_database

Open = Callable[[], AbstractAsyncContextManager[Saver]]


async def conformance(open_: Open) -> CapabilityReport:
    """The suite's report; it opens a saver for each capability."""

    @checkpointer_test(name="pada")
    async def savers() -> AsyncIterator[Saver]:
        async with open_() as saver:
            yield saver

    report: CapabilityReport = await validate(savers)
    return report


def check(report: CapabilityReport) -> None:
    """All that LangGraph demands is there and passes; no optional capability is there and fails."""
    failures = {name: result.failures for name, result in report.results.items() if result.failures}
    assert not failures
    for capability in BASE_CAPABILITIES:
        result = report.results[capability.value]
        assert result.passed, capability
        assert result.tests_passed > 0, capability


async def test_the_file_of_a_run(tmp_path: Path) -> None:
    check(await conformance(lambda: open_checkpoints(RunPaths(tmp_path))))


async def test_the_fenced_file_of_a_run(tmp_path: Path) -> None:
    check(await conformance(lambda: fenced_checkpoints(RunPaths(tmp_path), 3)))


@pytest.mark.skipif("PADA_TEST_POSTGRES" not in os.environ, reason="`make postgres` has one")
async def test_the_fenced_tables_in_postgresql(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=new_database()["PADA_DATABASE_URL"])
    engine = make_engine(settings.database)
    await upgrade(engine)
    await engine.dispose()
    check(await conformance(lambda: postgres_checkpoints(settings.database, 3)))
