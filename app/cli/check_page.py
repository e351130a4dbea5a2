"""The page of `pada check --html`: findings, and charts of labels and lengths."""

from __future__ import annotations

from typing import Any

import altair as alt

from app.cli.check import conclusion, lines_of
from app.cli.check_teacher import abilities
from app.compare.plan import Planned
from app.prepare.checks.findings import CheckReport
from app.report.charts import specs
from app.report.charts.style import BLUE, GREY, INK, ORANGE, finish, top_legend
from app.report.html import render_document

MOST_LABELS = 40
COLORS = {"train": BLUE, "validation": ORANGE, "test": GREY, "unlabeled": INK}


def render_check(report: CheckReport, planned: Planned | None) -> str:
    """One file that opens offline."""
    shown = report.model_copy(update={"findings": [], "teacher": None})
    facts = [line for line in lines_of(shown, planned) if line][:-1]
    teacher = [(each, dict(abilities(each))) for each in report.teacher or []]
    charts = specs({"lengths": lengths(report), "labels": labels(report)})
    return render_document(
        "check.html", charts, report=report, facts=facts, teacher=teacher, conclusion=conclusion(report)
    )


def color(report: CheckReport) -> Any:
    """The split by colour."""
    shown = [name for name in COLORS if name in report.splits]
    return alt.Color(
        "split:N",
        sort=shown,
        scale=alt.Scale(domain=shown, range=[COLORS[name] for name in shown]),
        legend=top_legend(110),
    )


def lengths(report: CheckReport) -> Any:
    """Rows by tokens, of each split."""
    rows = [
        {"split": split, "from": low, "below": high, "share": count / facts.rows, "rows": count}
        for split, facts in report.splits.items()
        if facts.lengths
        for low, high, count in facts.lengths.histogram
    ]
    if not rows:
        return None
    tooltip = [
        alt.Tooltip(f"{name}:{kind}")
        for name, kind in (("split", "N"), ("from", "Q"), ("below", "Q"), ("rows", "Q"))
    ]
    drawn = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X("from:Q", title="Tokens of prompt and answer"),
            y=alt.Y("share:Q", title="Share of the rows", axis=alt.Axis(format="%", tickCount=4)),
            color=color(report),
            tooltip=tooltip,
        )
    )
    return finish(drawn, 220, "Lengths of the rows")


def labels(report: CheckReport) -> Any:
    """Rows by label, of each split: the labels with most train rows."""
    train = report.splits["train"].labels if report.splits else {}
    shown = sorted(train, key=lambda label: (-train[label], label))[:MOST_LABELS]
    rows = [
        {"split": split, "label": label, "rows": facts.labels.get(label, 0)}
        for split, facts in report.splits.items()
        if facts.labels
        for label in shown
    ]
    if not rows:
        return None
    drawn = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=shown, title=None, axis=alt.Axis(labelLimit=240)),
            x=alt.X("rows:Q", title="Rows"),
            color=color(report),
            tooltip=[alt.Tooltip("label:N"), alt.Tooltip("split:N"), alt.Tooltip("rows:Q")],
        )
    )
    return finish(drawn, 18 * len(shown) + 40, "Rows by label")
