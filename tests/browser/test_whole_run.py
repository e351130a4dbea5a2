"""A person's way through a run, in Chromium: from a table to the report, with a real service, student and trainer."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.browser.visits import Visit, follow, looks_well
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import Service, allowing, serving
from tests.tiny_task import config_for, rows

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.student]

FEW_CALLS = 30
"""Enough to analyse, too few to write."""
DEADLINE = 240
"""Seconds for each thing that is waited for: machines are busy with other things."""
WAITS = 5
"""More than a run of one round makes: budget, patterns, rows."""


@pytest.fixture
def working(tmp_path: Path, student: Path, scripted_teacher: ScriptedTeacherServer) -> Iterator[Service]:
    """A service that works on runs."""
    settings = allowing(scripted_teacher.url, student)
    with serving(tmp_path / "home", **settings) as service:
        yield service


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The tiny task's rows as a person would have them: one CSV file."""
    path = tmp_path / "requests.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["request", "kind"])
        writer.writerows((row["prompt"], row["completion"]) for row in rows("validation", 240))
    return path


def start(visit: Visit, url: str, table: Path, student: Path, teacher: str) -> None:
    """Upload the table, correct a guess, choose the settings, look at the plan, and start."""
    page = visit.page
    page.set_default_timeout(DEADLINE * 1000)  # each page reads the table in a process of its own
    page.goto(f"{url}/new")
    page.set_input_files("#file", table)
    page.click("text=Look at it")
    page.wait_for_url("**/tables/*")
    looks_well(visit)
    page.fill("#test", "80")
    page.click("text=Take these rows")
    page.wait_for_selector("text=You had changed something")
    assert page.input_value("#test") == "80"
    page.click("text=Take these rows")
    page.wait_for_url("**/new?*")
    assert page.input_value("#task") == "classification"
    page.fill("#other_student", str(student))
    page.fill("#base_url", teacher)
    page.fill("#api_key_env", "TINY_KEY")
    page.fill("#max_usd", "")
    page.fill("#max_calls", str(FEW_CALLS))
    page.press("#max_calls", "Tab")
    # the plan of all of it: one that came later would close what is opened in it
    page.wait_for_selector("#plan[aria-busy=false] >> text=A run can start")
    looks_well(visit)
    page.click("text=The same as YAML")
    page.click("text=Change it as YAML")
    page.wait_for_url("**/new/yaml?*")


def change_yaml(page: Page, changes: dict[str, Any]) -> None:
    """What the tiny student of these tests needs is no field of the page."""
    proposed = yaml.safe_load(page.input_value("#config"))
    assert proposed["budget"] == {"max_calls": FEW_CALLS}
    page.fill("#config", yaml.safe_dump(proposed | changes))
    page.click("text=Start the run")
    page.wait_for_url("**/runs/*")


def work_through(visit: Visit, address: str) -> list[str]:
    """Watch the run and give it what it waits for, until it has ended; what it has waited for, in order."""
    page = visit.page
    done: list[str] = []
    for _ in range(WAITS):
        page.wait_for_selector(".status.paused, .status.finished, .status.failed")
        assert visit.accessibility_faults() == []
        if not page.locator(".status.paused").count():
            return done
        if page.locator("[name=max_calls]").count():
            done.append("budget")
            page.fill("[name=max_calls]", "1000")
            follow(page, "button:has-text('Go on with this budget')", address)
        else:
            follow(page, "a:has-text('review its')", f"{address}/review")
            done.append("patterns" if page.locator("textarea").count() else "rows")
            assert visit.accessibility_faults() == []
            visit.presses("j", "r" if done[-1] == "rows" else "a")
            follow(page, ".submit button", address)
    raise AssertionError(f"The run has not ended after {done}.")


def test_from_a_table_to_a_report(
    visit: Visit, working: Service, student: Path, scripted_teacher: ScriptedTeacherServer, table: Path
) -> None:
    page = visit.page
    config = config_for(table, student, scripted_teacher.url)
    changes = {name: config[name] for name in ("seed", "evaluate_untrained", "student", "teacher", "loop")}
    changes["student"] |= {"epochs": 1, "learning_rate": 0.0005}
    changes["loop"] |= {"rounds": 1, "review": True}
    start(visit, working.url, table, student, scripted_teacher.url)
    change_yaml(page, changes)
    address = page.url

    page.wait_for_selector(".status.running")
    page.wait_for_selector(".loop li[aria-current]")
    waited_for = work_through(visit, address)
    assert sorted(set(waited_for)) == ["budget", "patterns", "rows"]
    assert page.locator(".status").inner_text() == "finished"

    page.reload(wait_until="networkidle")
    for chart in ("scores", "loss", "spending"):
        assert page.locator(f"#figure-{chart} svg").is_visible(), chart
    for part, needed in {
        "patterns": "#figure-clusters svg",
        "answers": "article .reply",
        "rows": "article .tag.reviewer",
        "events": "tbody tr",
    }.items():
        page.click(f"nav >> text={part}")
        page.wait_for_selector(needed)
        looks_well(visit)

    page.goto(address)
    page.click("text=The report")
    page.wait_for_selector("h1")
    assert "classification" in page.inner_text("body")
