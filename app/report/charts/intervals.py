"""Differences with their intervals, and a line at 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from app.report.charts.style import MUTED, Row, finish, row_labels
from app.report.wording import interval, signed


def difference_row(name: str, difference: float, ends: tuple[float, float], p_value: float) -> Row:
    """One difference of scores as data of `intervals`, in points. Its label has the numbers too."""
    return {
        "name": name,
        "label": f"{name}: {signed(difference)} ({interval(ends)})",
        "difference": 100 * difference,
        "low": 100 * ends[0],
        "high": 100 * ends[1],
        "p_value": p_value,
    }


def intervals(rows: Sequence[Row], color: Any, kind: str, p: str, description: str) -> Any:
    """Differences with their intervals, one below the other.

    Args:
        rows: from `difference_row`, in the order of the chart.
        color: the color of a row, as an encoding or a condition.
        kind: what a row is, such as `Method`.
        p: name of the p-value, such as `p`.
    """
    order = [row["label"] for row in rows]
    y = alt.Y("label:N", sort=order, title=None, axis=None, scale=alt.Scale(paddingInner=0.1))
    base = alt.Chart(alt.Data(values=rows)).encode(y=y)
    x = alt.X("low:Q", title="Difference in points (95 % interval)", axis=alt.Axis(tickCount=6))
    tooltip = [
        alt.Tooltip("name:N", title=kind),
        alt.Tooltip("difference:Q", title="Points", format="+.1f"),
        alt.Tooltip("low:Q", title="95 % interval from", format="+.1f"),
        alt.Tooltip("high:Q", title="to", format="+.1f"),
        alt.Tooltip("p_value:Q", title=p, format=".3f"),
    ]
    whiskers = base.mark_rule(strokeWidth=3, yOffset=8).encode(x=x, x2="high:Q", color=color)
    dots = base.mark_point(filled=True, size=120, opacity=1, yOffset=8).encode(
        x="difference:Q", color=color, tooltip=tooltip
    )
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=MUTED).encode(x="zero:Q")
    return finish(zero + whiskers + dots + row_labels(base, -8), 44 * len(rows), description)
