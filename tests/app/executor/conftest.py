"""A real service, and the config of a run that it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, serving
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
    allowed = json.dumps([str(data), str(student)])
    keys = json.dumps({scripted_teacher.url: ["TINY_KEY"]})
    with serving(home, PADA_ALLOWED_PATHS=allowed, PADA_TEACHER_KEYS=keys, **LEASE) as running:
        yield running
