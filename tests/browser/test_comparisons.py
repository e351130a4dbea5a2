"""A comparison in Chromium: from a data set over its plan to its start, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.api.http_service import Service, serve, settings_for, upload
from tests.browser.visits import Visit, follow, looks_well

PLANNED = 240_000
"""Until two plans have come, the second for what was changed after the first was asked for; in milliseconds."""

pytestmark = [pytest.mark.slow, pytest.mark.student]


@pytest.fixture
def allowing(tmp_path: Path, student: Path) -> Iterator[Service]:
    """A service whose runs may use the tests' own student."""
    with serve(settings_for(tmp_path / "home", allowed_paths=[student])) as running:
        yield running


def test_a_comparison_is_chosen_planned_started_and_cancelled(
    visit: Visit, allowing: Service, student: Path
) -> None:
    with allowing.client() as client:
        assert upload(client, "tickets of last autumn").status_code == 201
    page = visit.opens(f"{allowing.url}/comparisons")
    follow(page, "text=New comparison", "**/comparisons/new")
    looks_well(visit)
    follow(page, "text=Use this data set", "**/comparisons/new?dataset=*")
    fields = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "", "max_usd": "", "max_calls": "90"}
    for name, value in (fields | {"other_student": str(student), "rounds": "2", "seeds": "3"}).items():
        page.fill(f"#{name}", value)
    page.select_option("#task", "exact_match")
    page.get_by_label("auggpt").check()
    page.get_by_label("random").uncheck()
    page.wait_for_selector("#plan[aria-busy=false] >> text=A comparison can start", timeout=PLANNED)
    # vanilla, pada and auggpt with three seeds; three baselines, and two rounds of two methods with three seeds
    assert page.locator("#plan dd").all_inner_texts()[:3:2] == ["9", "15"]
    looks_well(visit)
    follow(page, "text=Start the comparison", "**/comparisons/*")
    page.wait_for_selector(".status.queued")
    looks_well(visit)

    page.click("summary:has-text('Cancel')")
    with page.expect_response("**?part=1"):  # the page has brought itself up to date meanwhile
        pass
    follow(page, "text=Cancel for good", "**/comparisons/*")
    assert page.locator(".status").first.inner_text() == "cancelled"
    stored = json.loads(allowing.sql("select comparison from runs")[0][0])
    assert (stored["methods"], stored["seeds"]) == (["vanilla", "pada", "auggpt"], [0, 1, 2])
