"""The map of the errors, and the outcomes of each pattern."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Protocol

import altair as alt

from app.report.charts.style import (
    BLUE,
    GREY,
    ORANGE,
    PALETTE,
    SHAPES,
    Row,
    choice_of,
    finish,
    row_labels,
    thin,
    top_legend,
)
from app.report.wording import clip, round_name
from graphs.artifacts import Clusters
from graphs.report import PatternOutcome, RoundReport

MAX_BARS = 24
"""Maximum patterns with a bar, newest rounds first."""


class MappedPattern(Protocol):
    """What the map shows of a pattern."""

    @property
    def name(self) -> str: ...
    @property
    def failures(self) -> list[str]: ...


class MappedRound(Protocol):
    """What the map shows of a round."""

    @property
    def round(self) -> int: ...
    @property
    def patterns(self) -> Sequence[MappedPattern]: ...
    @property
    def clusters(self) -> Clusters | None: ...


def clusters(rounds: Sequence[MappedRound]) -> Any:
    """The analysed errors on two principal axes, for a round that the reader chooses."""
    rows = [row for item in rounds for row in _points_of(item)]
    if not rows:
        return None
    names = list(dict.fromkeys(row["round"] for row in rows))
    choice = choice_of("Round", names, names[-1])
    legend = alt.Legend(
        orient="bottom",
        title=None,
        columns=alt.ExprRef("width > 640 ? 2 : 1"),
        labelLimit=alt.ExprRef("width > 640 ? width / 2 - 40 : width - 40"),
        symbolOpacity=1,
    )
    order = alt.EncodingSortField("cluster", op="min")
    blank = alt.Axis(labels=False, ticks=False, domain=False, grid=False, title=None)
    scale = alt.Scale(zero=False, nice=False, padding=14)
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_point(filled=True, size=75, opacity=0.8)
        .encode(
            x=alt.X("x:Q", axis=blank, scale=scale),
            y=alt.Y("y:Q", axis=blank, scale=scale),
            color=alt.Color("name:N", sort=order, scale=alt.Scale(range=PALETTE), legend=legend),
            shape=alt.Shape("name:N", sort=order, scale=alt.Scale(range=SHAPES)),
            tooltip=[
                alt.Tooltip("name:N", title="Pattern"),
                alt.Tooltip("id:N", title="Row"),
                alt.Tooltip("root_cause:N", title="Analysis"),
            ],
        )
        .transform_filter(alt.datum.round == choice)
        .add_params(choice)
    )
    frame = alt.ViewBackground(fill="var(--raised)", cornerRadius=8)
    return finish(chart.properties(view=frame), 360, "Map of the analysed errors, by pattern")


def _points_of(item: MappedRound) -> list[Row]:
    names = {failure: pattern.name for pattern in item.patterns for failure in pattern.failures}
    return [
        {
            "round": round_name(item.round),
            "x": point.x,
            "y": point.y,
            "cluster": point.cluster,
            "id": point.id,
            "name": clip(names.get(point.id, f"Cluster {point.cluster}"), 80),
            "root_cause": clip(point.root_cause, 300),
        }
        for point in thin(item.clusters.points if item.clusters else [])
    ]


def patterns(rounds: list[RoundReport]) -> Any:
    """The outcomes of each pattern's failures: fixed, unmoved, regressed."""
    scored = [
        (item, pattern)
        for item in reversed(rounds)
        for pattern in item.patterns
        if pattern.fixed + pattern.unmoved + pattern.regressed
    ]
    rows = [row for item, pattern in islice(scored, MAX_BARS) for row in _outcome_rows(item, pattern)]
    if not rows:
        return None
    order = list(dict.fromkeys(row["id"] for row in rows))
    outcomes = alt.Scale(domain=["fixed", "unmoved", "regressed"], range=[BLUE, GREY, ORANGE])
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("id:N", sort=order, title=None, axis=None))
    bars = base.mark_bar(height=12, yOffset=8, cornerRadius=1).encode(
        x=alt.X("count:Q", title="Failures of the pattern", stack="zero", axis=alt.Axis(tickMinStep=1)),
        color=alt.Color("outcome:N", scale=outcomes, legend=top_legend(110)),
        order="order:Q",
        tooltip=[
            alt.Tooltip("label:N", title="Pattern"),
            alt.Tooltip("outcome:N", title="Outcome"),
            alt.Tooltip("count:Q", title="Failures"),
            alt.Tooltip("size:Q", title="Of"),
        ],
    )
    names = row_labels(base.transform_filter("datum.order == 0"), -9)
    return finish(bars + names, 46 * len(order), "Outcomes by pattern")


def _outcome_rows(item: RoundReport, pattern: PatternOutcome) -> list[Row]:
    common = {
        "id": f"{item.round}/{pattern.id}",
        "label": f"{round_name(item.round)} · {clip(pattern.name, 80)}",
        "size": pattern.size,
    }
    counts = {"fixed": pattern.fixed, "unmoved": pattern.unmoved, "regressed": pattern.regressed}
    return [
        common | {"outcome": outcome, "count": count, "order": order}
        for order, (outcome, count) in enumerate(counts.items())
    ]
