"""A database for the tests of its queries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.db.engine import Sessions
from tests.app.db.database import empty_database


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    async with empty_database(tmp_path) as database:
        yield database
