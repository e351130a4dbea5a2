"""The charts of a comparison. Importing this module imports Altair, which takes half a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import altair as alt

from app.compare.models import CurvePoint, Results
from app.report.charts.intervals import difference_row, intervals
from app.report.charts.style import BLUE, GREY, PALETTE, SHAPES, counted, finish, top_legend


def charts(results: Results) -> dict[str, Any]:
    """Name -> Vega-Lite specification."""
    drawn = {"differences": differences(results), "curves": curves(results.rows)}
    return {name: chart.to_dict() for name, chart in drawn.items() if chart is not None}


def differences(results: Results) -> Any:
    """Each method's difference to vanilla with its 95 % interval, best first."""
    compared = [(row.method, row.vs_vanilla) for row in results.rows if row.vs_vanilla]
    rows = [
        difference_row(name, vs_vanilla.difference, vs_vanilla.ci95, vs_vanilla.p_value)
        | {"verdict": vs_vanilla.verdict}
        for name, vs_vanilla in sorted(compared, key=lambda item: -item[1].difference)
    ]
    if not rows:
        return None
    color = alt.condition(alt.datum.verdict == "no difference shown", alt.value(GREY), alt.value(BLUE))
    return intervals(rows, color, "Method", "p, Holm-corrected", "Differences to vanilla")


class Scored(Protocol):
    """A method with its validation scores so far."""

    @property
    def method(self) -> str: ...
    @property
    def curve(self) -> Sequence[CurvePoint]: ...


def curves(methods: Sequence[Scored]) -> Any:
    """Validation score by new rows so far, one line per method."""
    rows = [
        {
            "method": row.method,
            "round": point.round,
            "accepted": point.accepted,
            "validation": point.validation,
        }
        for row in methods
        for point in row.curve
        if len(row.curve) > 1
    ]
    if not rows:
        return None
    names = list(dict.fromkeys(row["method"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("accepted:Q", title="New rows", axis=counted(row["accepted"] for row in rows)),
        y=alt.Y(
            "validation:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(format="%", tickCount=5)
        ),
        color=alt.Color(
            "method:N", sort=names, scale=alt.Scale(range=PALETTE), legend=top_legend(190, "stroke")
        ),
    )
    tooltip = [
        alt.Tooltip("method:N", title="Method"),
        alt.Tooltip("round:O", title="Round"),
        alt.Tooltip("accepted:Q", title="New rows", format=",.0f"),
        alt.Tooltip("validation:Q", title="Validation", format=".1%"),
    ]
    shape = alt.Shape("method:N", sort=names, scale=alt.Scale(range=SHAPES), legend=None)
    lines = base.mark_line(strokeWidth=2)
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(shape=shape, tooltip=tooltip)
    return finish(lines + dots, 300, "Validation score by new rows")
