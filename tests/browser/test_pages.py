"""Every page in Chromium: light and dark, wide and narrow, with hostile texts; keys of the keyboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.pages.browsing import RUN, wait_for_review
from tests.browser.scenes import add_everything, add_training
from tests.browser.visits import SCHEMES, WIDTHS, Scheme, Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PAGES = (
    "",
    "new",
    "new/yaml",
    "comparisons",
    "comparisons/new",
    "data-sets",
    *(f"runs/{RUN}{part}" for part in ("", "/patterns", "/answers", "/playground", "/rows", "/events")),
)


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


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize(("name", "chart"), [("at work", "curves"), ("ended", "differences")])
def test_a_comparison_is_accessible_and_draws_its_charts(
    browser: Browser, filled: Service, name: str, chart: str, width: int, scheme: Scheme
) -> None:
    with visiting(browser, scheme, width) as visit:
        page = visit.opens(f"{filled.url}/comparisons")
        page.click(f"a:has-text('{name}')")
        page.wait_for_selector(f"#figure-{chart} svg")
        assert visit.accessibility_faults() == []
        assert visit.overflow() <= 0
        assert visit.faults == []


ROWS = {"about": "rows", "round": 1, "accepted": 1, "rejected": 1}
PATTERNS = {"about": "patterns", "round": 1, "patterns": ["r1-p0"]}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("review", [ROWS, PATTERNS], ids=["rows", "patterns"])
def test_a_review_is_accessible(
    browser: Browser, service: Service, review: dict[str, Any], width: int, scheme: Scheme
) -> None:
    wait_for_review(service, review)
    add_training(service)
    with visiting(browser, scheme, width) as visit:
        for path in ("", "/review"):
            visit.opens(f"{service.url}/runs/{RUN}{path}")
            assert visit.accessibility_faults() == []
            assert visit.overflow() <= 0
        assert visit.faults == []


def answer_to(service: Service) -> dict[str, Any]:
    """What the reviewer of the only run has decided."""
    answer: dict[str, Any] = json.loads(service.sql("select answer from runs")[0][0])
    return answer


def test_rows_are_reviewed_by_keyboard_alone(visit: Visit, service: Service) -> None:
    wait_for_review(service, ROWS)
    add_training(service)
    page = visit.opens(f"{service.url}/runs/{RUN}")
    visit.tabs_to("review its rows")
    visit.presses("Enter")
    page.wait_for_url("**/review")
    box = page.locator("input[name=reject]")
    visit.presses("r")
    assert not box.is_checked(), "no row has the keyboard yet"
    visit.presses("j", "r")
    assert box.is_checked()
    assert page.locator("#changes").inner_text() == "1 of 1 changed"
    visit.presses("a")
    assert not box.is_checked()
    assert page.locator("#changes").inner_text() == ""
    visit.presses("r")
    visit.tabs_to("Go on")
    visit.presses("Enter")
    page.wait_for_url(f"**/runs/{RUN}")
    assert answer_to(service)["reject"] == ["r1-b0-a1-0"]


def test_patterns_are_reviewed_by_keyboard_alone(visit: Visit, service: Service) -> None:
    wait_for_review(service, PATTERNS)
    add_training(service)
    page = visit.opens(f"{service.url}/runs/{RUN}/review")
    visit.presses("j", "e")
    assert visit.focused() == "r1-p0.name"
    visit.presses("Control+a")
    page.keyboard.type("jars and crates")
    visit.presses("Escape", "r")
    assert page.locator("input[name=veto]").is_checked()
    visit.presses("a")
    assert page.locator("#changes").inner_text() == "1 of 1 changed", "its name"
    visit.tabs_to("Go on")
    visit.presses("Enter")
    page.wait_for_url(f"**/runs/{RUN}")
    answer = answer_to(service)
    assert answer["edit"]["r1-p0"]["name"] == "jars and crates"
    assert answer["veto"] == []


def test_j_and_k_move_through_rows_and_stop_at_the_ends(visit: Visit, filled: Service) -> None:
    visit.opens(f"{filled.url}/runs/{RUN}/answers")
    seen = []
    for key in "jjkkkjjjjj":
        visit.presses(key)
        seen.append(visit.focused().splitlines()[1])
    first, second, third, last = "still right", "broken", "fixed", "still wrong"
    assert seen == [first, second, first, first, first, second, third, last, last, last]


def test_letters_are_written_where_a_person_types(visit: Visit, filled: Service) -> None:
    page = visit.opens(f"{filled.url}/runs/{RUN}/answers")
    page.locator("input[name=search]").focus()
    page.keyboard.type("jkare")
    assert page.locator("input[name=search]").input_value() == "jkare"
    visit.presses("Enter")
    page.wait_for_url("**search=jkare**")
    assert "0 rows with jkare" in page.inner_text("main")
