"""Spending and training loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from app.report.charts.style import BLUE, PALETTE, counted, finish, thin, top_legend
from app.report.wording import round_name
from graphs.teacher.cost import SpendPoint
from trainer.specs import LossPoint


def spending(points: Sequence[SpendPoint]) -> Any:
    """Cumulative dollars over time, or tokens if no price is known."""
    if len(points) < 2:
        return None
    priced = points[-1].usd > 0
    rows = [point.model_dump() | {"minutes": point.seconds / 60} for point in thin(points)]
    y = alt.Y(
        "usd:Q" if priced else "tokens:Q",
        title=None,
        axis=alt.Axis(format="$,.2~f" if priced else "~s", tickCount=4),
    )
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("minutes:Q", title="Minutes since the start", axis=alt.Axis(tickCount=6)), y=y
    )
    tooltip = [
        alt.Tooltip("minutes:Q", title="Minute", format=".1f"),
        alt.Tooltip("usd:Q", title="US dollars", format="$,.4f"),
        alt.Tooltip("tokens:Q", title="Tokens", format=","),
        alt.Tooltip("calls:Q", title="Calls", format=","),
    ]
    area = base.mark_area(interpolate="step-after", color=BLUE, opacity=0.14)
    line = base.mark_line(interpolate="step-after", color=BLUE, strokeWidth=2)
    hover = base.mark_point(size=160, opacity=0).encode(tooltip=tooltip)
    return finish(area + line + hover, 200, "Spending over time")


def loss(curves: Mapping[int, Sequence[LossPoint]]) -> Any:
    """Training loss of every student, by round: each step, and the moving mean over nine steps."""
    rows = [
        {"round": round_name(number), "order": number, "step": point.step, "loss": point.loss}
        for number, curve in curves.items()
        for point in thin(curve)
    ]
    if not rows:
        return None
    order = alt.EncodingSortField("order", op="min")
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("step:Q", title="Optimizer step", axis=counted(row["step"] for row in rows)),
        color=alt.Color(
            "round:N", sort=order, scale=alt.Scale(range=PALETTE), legend=top_legend(110, "stroke")
        ),
    )
    y = alt.Y("loss:Q", title=None, scale=alt.Scale(zero=False))
    tooltip = [
        alt.Tooltip("round:N", title="Student"),
        alt.Tooltip("step:Q", title="Step"),
        alt.Tooltip("loss:Q", title="Loss", format=".3f"),
    ]
    raw = base.mark_line(strokeWidth=1, opacity=0.22).encode(y=y)
    smooth = (
        base.transform_window(mean="mean(loss)", frame=[-4, 4], groupby=["round"], sort=[{"field": "step"}])
        .mark_line(strokeWidth=2.2)
        .encode(y=alt.Y("mean:Q", title=None), strokeDash=alt.StrokeDash("round:N", sort=order, legend=None))
    )
    hover = base.mark_point(size=120, opacity=0).encode(y=y, tooltip=tooltip)
    return finish(raw + smooth + hover, 240, "Training loss by step")
