"""Scores of the students, and their paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import altair as alt

from app.report.charts.intervals import difference_row, intervals
from app.report.charts.style import BLUE, GREY, INK, MUTED, PAPER, Row, finish
from graphs.report import Report


class ScoredStudent(Protocol):
    """What the chart of the scores shows of a student."""

    @property
    def round(self) -> int: ...
    @property
    def validation(self) -> float: ...
    @property
    def ci95(self) -> tuple[float, float]: ...
    @property
    def promoted(self) -> bool: ...
    @property
    def reason(self) -> str: ...
    @property
    def train_rows(self) -> int: ...


def scores(rounds: Sequence[ScoredStudent]) -> Any:
    """The validation score of each student with its 95 % interval, by round."""
    if not rounds:
        return None
    rows = [
        {
            "round": item.round,
            "score": item.validation,
            "low": item.ci95[0],
            "high": item.ci95[1],
            "state": "promoted" if item.promoted else "not promoted",
            "label": f"{item.validation * 100:.1f}",
            "reason": item.reason,
            "rows": item.train_rows,
        }
        for item in rounds
    ]
    x = alt.X(
        "round:O", title="Round", axis=alt.Axis(labelExpr="datum.value == 0 ? 'baseline' : datum.value")
    )
    scale = alt.Scale(domain=score_domain([end for item in rounds for end in item.ci95]), nice=True)
    axis = alt.Axis(format="%", tickCount=5)
    y = alt.Y("score:Q", title=None, scale=scale, axis=axis)
    base = alt.Chart(alt.Data(values=rows)).encode(x=x)
    states = alt.Scale(domain=["promoted", "not promoted"], range=[BLUE, PAPER])
    tooltip = [
        alt.Tooltip("round:O", title="Round"),
        alt.Tooltip("score:Q", title="Validation", format=".1%"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("rows:Q", title="Training rows", format=","),
        alt.Tooltip("state:N", title="Gate"),
        alt.Tooltip("reason:N", title="Why"),
    ]
    whiskers = base.mark_rule(strokeWidth=2, color=BLUE, opacity=0.55).encode(
        y=alt.Y("low:Q", scale=scale, title=None, axis=axis), y2="high:Q"
    )
    line = base.mark_line(color=BLUE, strokeWidth=1.5, opacity=0.35).encode(y=y)
    dots = base.mark_point(size=110, filled=True, opacity=1, stroke=BLUE, strokeWidth=2).encode(
        y=y, fill=alt.Fill("state:N", scale=states, legend=None), tooltip=tooltip
    )
    labels = base.mark_text(align="left", dx=11, color=INK, fontWeight=600).encode(y=y, text="label:N")
    level = alt.Chart(alt.Data(values=rows[:1])).mark_rule(strokeDash=[4, 4], color=MUTED).encode(y=y)
    return finish(level + whiskers + line + dots + labels, 280, "Validation score by round")


def score_domain(ends: Sequence[float]) -> list[float]:
    """The part of an axis that shows these scores, with a little room, and never below 0 or above 1."""
    low, high = min(ends), max(ends)
    room = max(0.1 * (high - low), 0.01)
    return [max(0.0, low - room), min(1.0, high + room)]


def differences(report: Report) -> Any:
    """Each paired difference with its 95 % interval, and a line at 0."""
    rows: list[Row] = []
    for item in report.rounds:
        if comparison := item.versus_best:
            name, ends = f"Round {item.round} against the best before", (comparison.low, comparison.high)
            row = difference_row(name, comparison.difference, ends, comparison.p_value)
            rows.append(row | {"split": "validation"})
    if report.test is not None and report.best.get("round", 0) != 0:
        test = report.test
        row = difference_row("Sealed test, best against baseline", test.difference, test.ci95, test.p_value)
        rows.append(row | {"split": "test"})
    if not rows:
        return None
    color = alt.Color(
        "split:N", scale=alt.Scale(domain=["validation", "test"], range=[GREY, BLUE]), legend=None
    )
    return intervals(rows, color, "Comparison", "p", "Paired differences")
