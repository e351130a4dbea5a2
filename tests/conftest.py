"""What many tests share: the tiny student, its data, its teacher, and one whole run."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.command import pada
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for, make_student, write_config, write_data

ROOT = Path(__file__).resolve().parents[1]

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Trainers of one machine wait for each other by a lock in its temporary folder. Each process of the tests has a core of
    # its own, so it gets a folder of its own.
    folder = Path(tempfile.gettempdir()) / f"pada-tests-{os.getuid()}-{worker}"
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


SHARED = "whole_run"
"""Files with this fixture go to one process of the tests, which makes the run once."""


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each file to one process of the tests, and all files that use the whole run to the same."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid.partition("::")[0])


@cache
def scope_of(file: str) -> str:
    """The name of the work that a file belongs to."""
    return SHARED if SHARED in (ROOT / file).read_text(encoding="utf-8") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """See `ByFile`. Groups by mark (`loadgroup`) have no effect since pytest 9.2, which xdist 3.8 does not know."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that train students take minutes, so they come first: the last file must not keep one process waiting."""
    shared = {item.path for item in items if SHARED in getattr(item, "fixturenames", ())}
    trains = {item.path for item in items if item.get_closest_marker("student")}
    items.sort(key=lambda item: (item.path not in shared, item.path not in trains))


@dataclass
class Run:
    """A run that has ended."""

    folder: Path
    config: Path
    done: subprocess.CompletedProcess[str]

    @property
    def report(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return document

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a JSONL file in the run's folder."""
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def scripted_teacher() -> Iterator[ScriptedTeacherServer]:
    with ScriptedTeacherServer() as server:
        yield server


@pytest.fixture(scope="session")
def whole_run(
    tmp_path_factory: pytest.TempPathFactory,
    student: Path,
    data: Path,
    scripted_teacher: ScriptedTeacherServer,
) -> Run:
    """Two undisturbed rounds."""
    folder = tmp_path_factory.mktemp("whole")
    config = write_config(folder / "config.yaml", config_for(data, student, scripted_teacher.url))
    done = pada("run", config, "--output", folder / "run")
    assert done.returncode == 0, done.stderr
    return Run(folder / "run", config, done)
