"""A browser window that keeps account of everything that goes wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
WIDTHS = {"wide": 1200, "narrow": 390}
"""Of a window, in CSS pixels: a laptop and a phone."""

LIMIT = 60_000
"""How long a page may take to become what is waited for, in milliseconds: machines are busy with other things."""

FOCUSED = (
    "(document.activeElement.innerText || document.activeElement.id || document.activeElement.value).trim()"
)
"""What has the keyboard: its text, or its id or value where it has none."""


@dataclass
class Visit:
    """One window."""

    page: Page
    faults: list[str] = field(default_factory=list)
    """Errors in the console, failed scripts, dialogs, and requests to other hosts."""

    def opens(self, url: str) -> Page:
        """Load a page, and wait until its scripts have loaded what they want."""
        self.page.goto(url, wait_until="networkidle")
        return self.page

    def presses(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def tabs_to(self, text: str) -> None:
        """Press Tab until the element with this text, id or value has the keyboard."""
        for _ in range(200):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(FOCUSED) == text:
                return
        raise AssertionError(f"Tab never comes to {text!r}.")

    def focused(self) -> str:
        return str(self.page.evaluate(FOCUSED))

    def accessibility_faults(self) -> list[str]:
        """What axe-core finds wrong: rule, element, and why."""
        from axe_playwright_python.sync_playwright import Axe

        return [
            f"{rule['id']}: {node['target']}: {node['failureSummary']}"
            for rule in Axe().run(self.page).response["violations"]
            for node in rule["nodes"]
        ]

    def overflow(self) -> int:
        """By how many CSS pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def looks_well(visit: Visit) -> None:
    """The page is accessible in light and dark, and fits a phone."""
    for scheme in SCHEMES:
        visit.page.emulate_media(color_scheme=scheme)
        assert visit.accessibility_faults() == [], scheme
    visit.page.set_viewport_size({"width": WIDTHS["narrow"], "height": 900})
    assert visit.overflow() <= 0
    visit.page.set_viewport_size({"width": WIDTHS["wide"], "height": 900})
    visit.page.emulate_media(color_scheme="light")


def follow(page: Page, selector: str, address: str) -> None:
    """Click what leads to another page, or to this one as it is now, and wait for it: until then there is the old one."""
    with page.expect_navigation(url=address):
        page.click(selector)


@contextmanager
def visiting(browser: Browser, scheme: Scheme = "light", width: int = WIDTHS["wide"]) -> Iterator[Visit]:
    """A window with cookies of its own."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    context.set_default_timeout(LIMIT)
    visit = Visit(context.new_page())

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.faults.append(f"console: {message.text}")

    def request(asked: Request) -> None:
        if asked.url.startswith("http") and urlsplit(asked.url).hostname not in ("127.0.0.1", "localhost"):
            visit.faults.append(f"request: {asked.url}")

    def dialog(opened: Dialog) -> None:
        visit.faults.append(f"dialog: {opened.message}")
        opened.dismiss()

    visit.page.on("console", console)
    visit.page.on("request", request)
    visit.page.on("pageerror", lambda error: visit.faults.append(f"script: {error}"))
    visit.page.on("dialog", dialog)
    try:
        yield visit
    finally:
        context.close()
