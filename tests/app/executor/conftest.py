"""A real service, and the config of a run that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, allowing, serving
from tests.tiny_task import config_for

LEASE = {"PADA_LEASE_SECONDS": "6", "PADA_HEARTBEAT_SECONDS": "1"}


@pytest.fixture(scope="module")
def config(data: Path, student: Path, scripted_teacher: ScriptedTeacherServer) -> dict[str, Any]:
    adjusted = config_for(data, student, scripted_teacher.url)
    return adjusted | {"data": {"folder": str(data)}}


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory,
    data: Path,
    student: Path,
    scripted_teacher: ScriptedTeacherServer,
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("service") / "home"
    allowed = allowing(scripted_teacher.url, data, student)
    with serving(home, **allowed | LEASE) as running:
        yield running
