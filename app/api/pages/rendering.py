"""Makes pages from templates, with the headers that keep what rows and models say from doing anything."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from fastapi.responses import HTMLResponse

from app.api.pages.setting_names import in_settings
from app.prepare.preview import in_a_form
from app.report.html import page_environment

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY}

ASSETS = {
    "htmx.min.js": "text/javascript",
    "charts.js": "text/javascript",
    "plan.js": "text/javascript",
    "rows.js": "text/javascript",
    "playground.js": "text/javascript",
    "vega.js": "text/javascript",
    "page.css": "text/css",
    "style.css": "text/css",
}
"""Name -> media type. `style.css` and `vega.js` are the report's."""


def page(template: str, status: int = 200, **content: Any) -> HTMLResponse:
    """A page, or a part of one."""
    return HTMLResponse(render(template, **content), status, headers=HEADERS)


def render(template: str, **content: Any) -> str:
    """The text of a page, or of a part of one."""
    return _environment().get_template(template).render(**content)


@cache
def asset(name: str) -> str:
    """The text of a file that pages load. The first `vega.js` takes two seconds."""
    if name == "vega.js":
        # in a process of its own: the package that has it would stay in this one with 100 MB
        made = subprocess.run(
            [sys.executable, "-P", "-m", "app.report.vega"], capture_output=True, check=True
        )
        return made.stdout.decode()
    package = "app.report" if name == "style.css" else "app.api.pages"
    folder = "templates" if name == "style.css" else "assets"
    return resources.files(package).joinpath(folder, name).read_text(encoding="utf-8")


def age(then: float) -> str:
    """How long ago a moment was, in the largest unit: `3 min ago`."""
    seconds = max(0.0, time.time() - then)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def combine(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Both as one, for a list of choices."""
    return first | second


@cache
def _environment() -> jinja2.Environment:
    environment = page_environment("app.api.pages", "app.compare")
    environment.filters.update(
        age=age, in_a_form=in_a_form, in_settings=in_settings, combine=combine, share=math.exp
    )  # of a log-probability
    return environment
