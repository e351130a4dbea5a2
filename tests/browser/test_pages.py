"""Every page in Chromium: light and dark, wide and narrow, with hostile texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.pages.browsing import RUN
from tests.browser.scenes import add_answers, add_everything, wait_for_review
from tests.browser.visits import SCHEMES, WIDTHS, Scheme, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PAGES = ("", "new", *(f"runs/{RUN}{part}" for part in ("", "/patterns", "/answers", "/rows", "/events")))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a run that has everything that pages show, all texts hostile."""
    with serve(settings_for(tmp_path_factory.mktemp("filled") / "home")) as running:
        add_everything(running)
        yield running


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_fits_its_window_and_reports_no_error(
    browser: Browser, filled: Service, path: str, width: int, scheme: Scheme
) -> None:
    with visiting(browser, scheme, width) as visit:
        visit.opens(f"{filled.url}/{path}")
        assert visit.accessibility_faults() == []
        assert visit.overflow() <= 0
        assert visit.faults == []
