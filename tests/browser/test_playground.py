"""The playground in Chromium: answers that stream, and a wrong one that becomes a row."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.serving.served_run import RUN, add_served_run
from tests.browser.visits import SCHEMES, WIDTHS, Scheme, Visit, visiting
from tests.conftest import Run
from tests.tiny_task import AFTER, BEFORE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.student]

PAGE = f"runs/{RUN}/playground"
TEXT = f"{BEFORE}nobody could say where the repay of last autumn went{AFTER}"
ANSWER = "[aria-label=Answers] article.row"
SECONDS = 120_000
"""Until weights are loaded or a row is compared, in milliseconds."""


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory, whole_run: Run) -> Iterator[Service]:
    """A service with a run of its own, to which rows are added."""
    folder = shutil.copytree(whole_run.folder, tmp_path_factory.mktemp("played") / "run")
    with serve(settings_for(tmp_path_factory.mktemp("playing") / "home")) as running:
        add_served_run(running, folder)
        yield running


def wait_for_answers(visit: Visit) -> None:
    """All three students have answered."""
    visit.page.locator(ANSWER).nth(2).wait_for(timeout=SECONDS)
    assert visit.page.locator(f"{ANSWER} [role=alert]").count() == 0


def test_a_wrong_answer_becomes_a_row(visit: Visit, playing: Service) -> None:
    page = visit.opens(f"{playing.url}/{PAGE}")
    page.locator(".picks a").first.click()  # a validation row that the best student gets wrong
    wait_for_answers(visit)
    assert [each.inner_text() for each in page.locator(f"{ANSWER} header").all()] == [
        "Untrained", "Baseline", "Best student",
    ]  # fmt: skip
    assert "Probability of each answer" in page.locator(ANSWER).last.inner_text()
    assert page.locator("#completion").input_value() in page.locator("p:has-text('Expected:')").inner_text()
    assert "it would be a leak" in page.inner_text("main")
    page.get_by_role("button", name="Add the row").click()
    added = page.locator("#added")
    added.locator(".tag.leak").wait_for(timeout=SECONDS)

    page.locator("#text").fill(TEXT)
    with page.expect_navigation():  # until then the answers from before are there
        page.get_by_role("button", name="Ask").click()
    wait_for_answers(visit)
    assert "it would be a leak" not in page.inner_text("main")
    page.locator("#completion").fill("refund")
    page.locator("#completion").press("Enter")
    added.locator(".tag.waiting").wait_for(timeout=SECONDS)
    assert "This run is finished. The row is kept" in added.inner_text()
    assert visit.accessibility_faults() == []

    with page.expect_navigation():
        added.get_by_role("link", name="All rows of people").click()
    rows = page.locator("article.row")
    assert rows.count() == 2
    assert "added by a person" in rows.last.inner_text()
    for left in (1, 0):
        rows.first.get_by_role("button", name="Take back").click()
        page.wait_for_function(f"document.querySelectorAll('article.row').length === {left}")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_answers_are_accessible_and_fit_the_window(
    browser: Browser, playing: Service, width: int, scheme: Scheme
) -> None:
    with visiting(browser, scheme, width) as visit:
        visit.opens(f"{playing.url}/{PAGE}?row=validation-0&ask=1")
        wait_for_answers(visit)
        visit.page.locator("summary", has_text="Tokens").last.click()
        visit.page.get_by_role("button", name="Add the row").click()
        visit.page.locator("#added .tag.leak").wait_for(timeout=SECONDS)
        assert visit.accessibility_faults() == []
        assert visit.overflow() <= 0
        assert visit.faults == []
