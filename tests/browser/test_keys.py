"""Signing in, and what each key sees, in Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.app.api.http_service import Service
from tests.app.api.pages.browsing import HOSTILE, RUN, add_run
from tests.browser.scenes import add_everything, add_training, new_key
from tests.browser.visits import SCHEMES, WIDTHS, Scheme, Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

MISSING = "console: Failed to load resource: the server responded with a status of 404 (Not Found)"
"""What a browser says of a page that is not found."""


def sign_in(visit: Visit, service: Service, key: str) -> None:
    """By keyboard: the field has it when the page opens."""
    page = visit.opens(service.url)
    assert page.url == f"{service.url}/sign-in"
    page.keyboard.type(key)
    visit.presses("Enter")
    page.wait_for_url(f"{service.url}/")


def test_a_reader_sees_its_runs_without_buttons(visit: Visit, keyed: Service) -> None:
    reader, key = new_key(keyed, "read")
    add_run(keyed, owner=reader)
    add_training(keyed)
    sign_in(visit, keyed, key)
    for path in ("", "new", "comparisons", "data-sets", f"runs/{RUN}", f"runs/{RUN}/rows"):
        page = visit.opens(f"{keyed.url}/{path}")
        buttons = page.locator("button").all_inner_texts()
        assert set(buttons) <= {"Sign out", "Show"}, path
        assert visit.accessibility_faults() == []


def test_the_run_of_another_key_is_not_found(visit: Visit, keyed: Service) -> None:
    owner, _ = new_key(keyed, "write")
    _, key = new_key(keyed, "write")
    add_run(keyed, owner=owner)
    sign_in(visit, keyed, key)
    assert "There is no run yet" in visit.page.inner_text("main")
    for path in ("", "/rows", "/patterns", "/answers", "/events", "/review"):
        page = visit.opens(f"{keyed.url}/runs/{RUN}{path}")
        assert "Not possible" in page.inner_text("h1")
        assert visit.accessibility_faults() == []
    assert set(visit.faults) == {MISSING}
    visit.faults.clear()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_an_admin_makes_a_key_and_revokes_it_by_keyboard(
    browser: Browser, keyed: Service, width: int, scheme: Scheme
) -> None:
    _, key = new_key(keyed, "admin")
    with visiting(browser, scheme, width) as visit:
        assert visit.opens(keyed.url).url.endswith("/sign-in")
        assert visit.accessibility_faults() == []
        sign_in(visit, keyed, key)
        visit.tabs_to("Keys")
        visit.presses("Enter")
        visit.page.wait_for_url("**/keys")
        visit.page.focus("input[name=name]")
        visit.page.keyboard.type("for ci")
        visit.presses("Enter")
        made = visit.page.locator(".notice code")
        made.wait_for()
        assert made.inner_text().startswith("pada_")
        assert visit.accessibility_faults() == []
        assert visit.overflow() <= 0
        visit.page.focus('summary[aria-label="Revoke for ci"]')
        visit.presses("Enter", "Tab", "Enter")
        visit.page.wait_for_selector("td:has-text('revoked')")
        visit.page.click("text=Sign out")
        visit.page.wait_for_url("**/sign-in")
        assert visit.faults == []
    assert keyed.sql("select name from api_keys where revoked is not null") == [("for ci",)]


def test_hostile_texts_are_read_and_do_nothing(visit: Visit, service: Service) -> None:
    add_everything(service)
    for path in ("/patterns", "/rows", "/answers", "/events"):
        page = visit.opens(f"{service.url}/runs/{RUN}{path}")
        assert HOSTILE.strip("\u202e ") in page.inner_text("main"), path
        assert page.locator("main script, main iframe, main img, a[href^=javascript]").count() == 0
