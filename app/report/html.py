"""Pages as one file that opens offline, such as `report.html`."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import jinja2
import yaml

from app.report import wording
from app.report.vega import vega
from graphs.report import Report

MAX_TEXT = 480
"""Characters of a text that are visible at once. The rest unfolds."""
MAX_UNFOLDED = 8000
"""Maximum characters of a text on the page."""
DATA_KEYS = ("fields", "labels", "per_class")
"""Keys of a document below which the rows' own labels and fields stand, which are shown as they are written."""
MAX_PATTERNS = 40
"""Maximum patterns of one round with a section of their own."""

STATUS = {
    "running": "The run is under way",
    "paused": "The run is paused",
    "failed": "The run failed",
}


def render_html(report: Report) -> str:
    """The page of a run. See `render_document`."""
    from app.report.charts import charts  # Altair takes half a second, and `pada --help` does not need it

    return render_document(
        "page.html",
        charts(report),
        report=report,
        headline=wording.headline(report),
        status=STATUS.get(report.status),
        warnings=wording.warnings(report),
        config=yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True),
    )


def render_document(template: str, charts: Mapping[str, Any], **content: Any) -> str:
    """A page as one self-contained document, without other files and without network.

    Everything from rows and models is escaped. The content security policy of the page allows only its two
    scripts, by their hashes, and no requests. So even a text that was not escaped could do nothing.

    Args:
        template: name of a template that extends `document.html`.
        charts: name -> Vega-Lite specification.
        content: what the template shows.
    """
    scripts = [vega(), _template_text("page.js")]
    return (
        page_environment("app.report", "app.compare")
        .get_template(template)
        .render(
            **content,
            charts=charts,
            policy=_policy(scripts),
            scripts=scripts,
            style=_template_text("style.css"),
        )
    )


def prepare() -> None:
    """Load what all pages share ahead of time. It takes a second or two."""
    from app.report.charts import charts  # noqa: F401

    vega()


def _policy(scripts: Sequence[str]) -> str:
    """A content security policy (W3C CSP3) that runs only these scripts and loads nothing."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _template_text(name: str) -> str:
    return (resources.files("app.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def page_environment(*packages: str) -> jinja2.Environment:
    """What pages are made with from the templates of these packages: escaped, strict, and with our words."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package) for package in packages]),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ceiling=wording.ceiling,
        unlabeled_rows=wording.unlabeled_rows,
        percent=wording.percent,
        points=wording.points,
        signed=wording.signed,
        interval=wording.interval,
        score_interval=wording.score_interval,
        p_value=wording.p_value,
        duration=wording.duration,
        money=wording.money,
        tokens=wording.tokens,
        plural=wording.plural,
        round_name=wording.round_name,
        words=words,
        fold=fold,
        bar=bar,
        mapping=lambda value: isinstance(value, Mapping),
        listing=lambda value: isinstance(value, list | tuple),
        plain=plain,
        as_json=lambda model: model.model_dump(mode="json"),
    )
    environment.globals.update(data_keys=DATA_KEYS, max_patterns=MAX_PATTERNS, p_methods=wording.P_METHODS)
    return environment


def words(name: str) -> str:
    """A key in words: `over_long` becomes `Over long`."""
    text = re.sub(r"[_\s]+", " ", str(name)).strip()
    return text[:1].upper() + text[1:]


def plain(value: Any) -> str:
    """A single value of a JSON document as text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def fold(text: Any) -> tuple[str, str, int]:
    """A text in three parts: what is visible, what unfolds, and the number of characters left out."""
    whole = str(text)
    if len(whole) <= MAX_TEXT:
        return whole, "", 0
    return whole[:MAX_TEXT], whole[MAX_TEXT:MAX_UNFOLDED], max(0, len(whole) - MAX_UNFOLDED)


def bar(counts: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """Name, count and share (percent) of each part that is not 0."""
    total = sum(counts.values())
    return [(name, count, 100 * count / total) for name, count in counts.items() if count]
