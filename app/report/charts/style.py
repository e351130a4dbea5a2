"""Colours, fonts, width, legends and selections of all charts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import altair as alt

Row = dict[str, Any]
Item = TypeVar("Item")

MAX_POINTS = 400
"""Maximum points of one round in a line or map."""

INK, MUTED, GRID, PAPER = "var(--ink)", "var(--muted)", "var(--rule)", "var(--paper)"
BLUE, GREY, ORANGE = "var(--blue)", "var(--grey)", "var(--vermilion)"
PALETTE = [
    f"var(--{name})"
    for name in ("blue", "orange", "green", "purple", "vermilion", "sky", "olive", "wine", "grey", "ink")
]
SHAPES = [
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
]


def thin(items: Sequence[Item]) -> list[Item]:
    """At most `MAX_POINTS` items, evenly spaced, including the first and the last."""
    if len(items) <= MAX_POINTS:
        return list(items)
    step = (len(items) - 1) / (MAX_POINTS - 1)
    return [items[round(index * step)] for index in range(MAX_POINTS)]


def choice_of(label: str, options: list[str], value: str) -> Any:
    """A selection for the reader: buttons for up to 6 options, a menu for more, nothing for one."""
    if len(options) == 1:
        return alt.param(name="choice", value=value)
    bind = alt.binding_radio if len(options) <= 6 else alt.binding_select
    return alt.param(name="choice", value=value, bind=bind(options=options, name=label))


def top_legend(cell: int, symbol: str = "square") -> Any:
    """A legend above the chart, with as many columns of `cell` pixels as fit."""
    columns = alt.ExprRef(f"max(1, floor(width / {cell}))")
    return alt.Legend(
        orient="top",
        title=None,
        symbolType=symbol,
        symbolOpacity=1,
        symbolStrokeWidth=2.5,
        columns=columns,
        labelLimit=cell - 20,
    )


def row_labels(base: Any, offset: int) -> Any:
    """Labels above the bars, so that long ones have the whole width. A halo separates them from lines."""

    def text(**look: Any) -> Any:
        placed = base.mark_text(
            align="left", baseline="middle", limit=alt.ExprRef("width"), yOffset=offset, **look
        )
        return placed.encode(x=alt.value(0), text="label:N")

    return text(stroke=PAPER, strokeWidth=5, aria=False) + text(color=INK)


def counted(numbers: Iterable[Any]) -> alt.Axis:
    """An axis of whole numbers: never more ticks than there are numbers between its ends."""
    all_numbers = list(numbers)
    return alt.Axis(tickCount=max(1, min(6, int(max(all_numbers) - min(all_numbers)))), format=",d")


def finish(chart: Any, height: int, description: str) -> Any:
    """The chart as wide as its container, in the common style."""
    font = "system-ui, -apple-system, 'Segoe UI', sans-serif"
    axis = {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "labelPadding": 6,
        "labelAngle": 0,
    }
    return (
        chart.properties(
            width="container",
            height=height,
            background="transparent",
            description=description,
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
        .configure(font=font)
        .configure_view(stroke=None)
        .configure_axis(**axis)
        .configure_axisX(grid=False)
        .configure_axisY(domain=False, ticks=False)
        .configure_text(fontSize=12.5)
        .configure_legend(
            labelColor=INK, labelFontSize=12, symbolSize=90, rowPadding=5, columnPadding=18, offset=14
        )
    )
