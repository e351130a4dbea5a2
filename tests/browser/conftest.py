"""Chromium for these tests. They are skipped where Chromium or playwright is missing; `make browser` runs them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.api.http_service import Service, serve, settings_for
from tests.browser.visits import Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, one for each file: while it is open, no test of the process may run a loop of its own."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"There is no Chromium here: none of {', '.join(NAMES)} is on the path.")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A fresh browser window. The test fails if a page reports an error, opens a dialog or loads something foreign."""
    with visiting(browser) as visit:
        yield visit
        assert visit.faults == []


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home")) as running:
        yield running


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home", auth="on")) as running:
        yield running
