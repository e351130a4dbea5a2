"""The page's charts as Vega-Lite specifications, built with Altair.

Colours are CSS variables of the page (`var(--blue)`), so that one drawing serves light, dark and print. Every
chart takes its width from the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any, TypeVar

from app.report.wording import interval, signed
from graphs.report import PatternOutcome, Report, RoundReport

Spec = dict[str, Any]
Row = dict[str, Any]
Item = TypeVar("Item")

MAX_POINTS = 400
"""Most points that one round's line or map draws."""
MAX_BARS = 24
"""Most patterns with a bar of their own: the newest rounds' first."""

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

FREE_CHECKS = {
    "schema": "not a prompt and a completion",
    "empty": "empty",
    "invalid": "not valid for the task",
    "duplicate": "duplicate",
    "leak": "too close to held-out rows",
}
JUDGED = {"judge": "rejected by the judge", "attempts": "batch scored too low"}
REST = {"surplus": "sound, but not needed"}
KEPT = "kept"


def charts(report: Report) -> dict[str, Spec]:
    """Name -> Vega-Lite specification, of those charts for which the run has data already."""
    drawn = {
        "scores": _scores(report) if report.rounds else None,
        "differences": _differences(report),
        "clusters": _clusters(report.rounds),
        "patterns": _patterns(report.rounds),
        "quality": _quality(report.rounds),
        "spending": _spending(report),
        "loss": _loss(report.rounds),
    }
    return {name: chart.to_dict() for name, chart in drawn.items() if chart is not None}


def round_name(number: int) -> str:
    """Round 0 is the student fine-tuned on the given rows alone."""
    return "Baseline" if number == 0 else f"Round {number}"


def thin(items: Sequence[Item], limit: int = MAX_POINTS) -> list[Item]:
    """At most `limit` items, evenly spaced, the last one among them."""
    if len(items) <= limit:
        return list(items)
    step = (len(items) - 1) / (limit - 1)
    return [items[round(index * step)] for index in range(limit)]


def _scores(report: Report) -> Any:
    import altair as alt

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
        for item in report.rounds
    ]
    x = alt.X(
        "round:O", title="Round", axis=alt.Axis(labelExpr="datum.value == 0 ? 'baseline' : datum.value")
    )
    scale = alt.Scale(zero=False, nice=True, padding=8)
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
    return _finish(level + whiskers + line + dots + labels, 280, "Validation score by round")


def _differences(report: Report) -> Any:
    import altair as alt

    rows = [
        _difference_row(f"Round {item.round} against the best before", "validation", item.versus_best)
        for item in report.rounds
        if item.versus_best
    ]
    if report.test is not None and report.best.get("round", 0) != 0:
        test = report.test
        values = {
            "difference": test.difference,
            "low": test.ci95[0],
            "high": test.ci95[1],
            "p_value": test.p_value,
        }
        rows.append(_difference_row("Sealed test, best against baseline", "test", values))
    if not rows:
        return None
    names = [row["label"] for row in rows]
    y = alt.Y("label:N", sort=names, title=None, axis=None, scale=alt.Scale(paddingInner=0.1))
    color = alt.Color(
        "split:N", scale=alt.Scale(domain=["validation", "test"], range=[GREY, BLUE]), legend=None
    )
    base = alt.Chart(alt.Data(values=rows)).encode(y=y)
    x = alt.X("low:Q", title="Difference in points (95 % interval)", axis=alt.Axis(tickCount=6))
    tooltip = [
        alt.Tooltip("label:N", title="Comparison"),
        alt.Tooltip("difference:Q", title="Points", format="+.1f"),
        alt.Tooltip("low:Q", title="95 % interval from", format="+.1f"),
        alt.Tooltip("high:Q", title="to", format="+.1f"),
        alt.Tooltip("p_value:Q", title="p", format=".3f"),
    ]
    whiskers = base.mark_rule(strokeWidth=3, yOffset=8).encode(x=x, x2="high:Q", color=color)
    dots = base.mark_point(filled=True, size=120, opacity=1, yOffset=8).encode(
        x="difference:Q", color=color, tooltip=tooltip
    )
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=MUTED).encode(x="zero:Q")
    return _finish(zero + whiskers + dots + _row_labels(base, -8), 44 * len(rows), "Paired differences")


def _difference_row(name: str, split: str, values: dict[str, float]) -> Row:
    low, high = values["low"], values["high"]
    label = f"{name}: {signed(values['difference'])} ({interval((low, high))})"
    numbers = {key: values[key] * 100 for key in ("difference", "low", "high")}
    return numbers | {"p_value": values["p_value"], "label": label, "split": split}


def _row_labels(base: Any, offset: int) -> Any:
    """Names above the bars instead of beside them, so that long ones have the whole width."""
    import altair as alt

    text = base.mark_text(
        align="left", baseline="middle", color=INK, limit=alt.ExprRef("width"), yOffset=offset
    )
    return text.encode(x=alt.value(0), text="label:N")


def _clusters(rounds: list[RoundReport]) -> Any:
    import altair as alt

    rows = [row for item in rounds for row in _points_of(item)]
    if not rows:
        return None
    names = list(dict.fromkeys(row["round"] for row in rows))
    choice = _choice("Round", names, names[-1])
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
    return _finish(chart.properties(view=frame), 360, "Map of the analysed errors, by pattern")


def _points_of(item: RoundReport) -> list[Row]:
    clusters = item.clusters or {}
    names = {failure: pattern.name for pattern in item.patterns for failure in pattern.failures}
    return [
        {
            "round": round_name(item.round),
            "x": point["x"],
            "y": point["y"],
            "cluster": point["cluster"],
            "id": point["id"],
            "name": clip(names.get(point["id"], f"Cluster {point['cluster']}"), 80),
            "root_cause": clip(point.get("root_cause", ""), 300),
        }
        for point in thin(clusters.get("points", []))
    ]


def _patterns(rounds: list[RoundReport]) -> Any:
    import altair as alt

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
        color=alt.Color("outcome:N", scale=outcomes, legend=_top_legend(110)),
        order="order:Q",
        tooltip=[
            alt.Tooltip("label:N", title="Pattern"),
            alt.Tooltip("outcome:N", title="Outcome"),
            alt.Tooltip("count:Q", title="Failures"),
            alt.Tooltip("size:Q", title="Of"),
        ],
    )
    names = _row_labels(base.transform_filter("datum.order == 0"), -9)
    return _finish(bars + names, 46 * len(order), "Outcomes by pattern")


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


def _quality(rounds: list[RoundReport]) -> Any:
    import altair as alt

    generated = [item for item in rounds if sum(item.verdicts.values())]
    if not generated:
        return None
    total: Counter[str] = Counter()
    for item in generated:
        total.update(item.verdicts)
    rows = _funnel("All rounds", total)
    for item in generated[-5:]:
        rows += _funnel(round_name(item.round), item.verdicts)
    scopes = list(dict.fromkeys(row["scope"] for row in rows))
    choice = _choice("Show", scopes, "All rounds")
    parts = [KEPT, *FREE_CHECKS.values(), *JUDGED.values(), *REST.values()]
    colors = [BLUE, *(f"var(--{name})" for name in ("wine", "ink", "purple", "orange", "vermilion"))]
    colors += [f"var(--{name})" for name in ("green", "olive", "grey")]
    shown = [part for part in parts if any(row["part"] == part for row in rows)]
    scale = alt.Scale(domain=shown, range=[colors[parts.index(part)] for part in shown])
    stages = list(dict.fromkeys(row["label"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("label:N", sort=stages, title=None, axis=None))
    base = base.transform_filter(alt.datum.scope == choice)
    bars = base.mark_bar(height=16, yOffset=8, cornerRadius=1).encode(
        x=alt.X(
            "count:Q", title="Rows", stack="zero", axis=alt.Axis(tickMinStep=1, tickCount=5, format=",d")
        ),
        color=alt.Color("part:N", scale=scale, legend=_top_legend(210)),
        order="order:Q",
        tooltip=[
            alt.Tooltip("label:N", title="Stage"),
            alt.Tooltip("part:N", title="Rows that are"),
            alt.Tooltip("count:Q", title="Count", format=","),
        ],
    )
    names = _row_labels(base.transform_filter("datum.order == 0"), -12).encode(text="title:N")
    return _finish((bars + names).add_params(choice), 210, "What became of the written rows")


def _funnel(scope: str, verdicts: dict[str, int]) -> list[Row]:
    """Four stages; each shows what it kept and, beside it, what it lost and why."""
    stages: list[tuple[str, dict[str, str]]] = [
        ("Written by the teacher", {}),
        ("After the free checks", FREE_CHECKS),
        ("After the judge", JUDGED),
        ("Used for training", REST),
    ]
    kept = sum(verdicts.values())
    rows: list[Row] = []
    for label, reasons in stages:
        lost = {text: verdicts.get(reason, 0) for reason, text in reasons.items() if verdicts.get(reason, 0)}
        kept -= sum(lost.values())
        parts = {KEPT: kept} | lost
        title = f"{label}: {kept:,}"
        rows += [
            {"scope": scope, "label": label, "title": title, "part": part, "count": count, "order": order}
            for order, (part, count) in enumerate(parts.items())
        ]
    return rows


def _spending(report: Report) -> Any:
    import altair as alt

    if len(report.spending) < 2:
        return None
    priced = report.cost.usd > 0
    rows = [point.model_dump() | {"minutes": point.seconds / 60} for point in thin(report.spending)]
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
    return _finish(area + line + hover, 200, "Spending over time")


def _loss(rounds: list[RoundReport]) -> Any:
    import altair as alt

    rows = [
        {"round": round_name(item.round), "order": item.round, "step": point["step"], "loss": point["loss"]}
        for item in rounds
        for point in thin(item.trainer.get("loss", []))
    ]
    if not rows:
        return None
    order = alt.EncodingSortField("order", op="min")
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("step:Q", title="Optimizer step", axis=alt.Axis(tickCount=6)),
        color=alt.Color(
            "round:N", sort=order, scale=alt.Scale(range=PALETTE), legend=_top_legend(110, "stroke")
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
    return _finish(raw + smooth + hover, 240, "Training loss by step")


def _choice(label: str, options: list[str], value: str) -> Any:
    """A selection the reader can change: buttons for a few options, a menu for many, nothing for one."""
    import altair as alt

    if len(options) == 1:
        return alt.param(name="choice", value=value)
    bind = alt.binding_radio if len(options) <= 6 else alt.binding_select
    return alt.param(name="choice", value=value, bind=bind(options=options, name=label))


def _top_legend(cell: int, symbol: str = "square") -> Any:
    """A legend above the chart, in as many columns of `cell` pixels as its width holds."""
    import altair as alt

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


def _finish(chart: Any, height: int, description: str) -> Any:
    import altair as alt

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


def clip(text: str, limit: int) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
