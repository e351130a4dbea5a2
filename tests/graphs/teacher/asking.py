"""A teacher at a server of the tests, and one question to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphs.schemas import ErrorAnalysis
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from tests.flaky_server import FlakyServer


def make_teacher(
    server: FlakyServer,
    folder: Path,
    caps: BudgetSpec | None = None,
    environ: Mapping[str, str] | None = None,
    **settings: Any,
) -> ChatTeacher:
    values = {"base_url": server.url, "model": "large", "backoff_seconds": 0.01} | settings
    ledger = Ledger(folder / "ledger.sqlite", "run-7")
    return ChatTeacher(TeacherSpec.model_validate(values), caps or BudgetSpec(), ledger, environ or {})


async def analyse(teacher: ChatTeacher, number: int = 0) -> ErrorAnalysis:
    return await teacher.ask("analyst", ErrorAnalysis, "Say why.", {"prompt": f"Question {number}"})
