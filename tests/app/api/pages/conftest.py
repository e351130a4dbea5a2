"""Services whose pages are opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.api.http_service import Service, serve, settings_for


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home")) as running:
        yield running


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home", auth="on")) as running:
        yield running
