"""How many of the rows that the teacher wrote passed each stage of quality control."""

from __future__ import annotations

from collections import Counter
from typing import Any

import altair as alt

from app.report.charts.style import BLUE, Row, choice_of, finish, row_labels, top_legend
from app.report.wording import round_name
from graphs.report import RoundReport

KEPT = "kept"
FREE_CHECKS = {
    "schema": "not a prompt and a completion",
    "empty": "empty",
    "invalid": "not valid for the task",
    "duplicate": "duplicate",
    "leak": "too close to held-out rows",
}
JUDGED = {
    "disputed": "answered otherwise",
    "judge": "rejected by the judge",
    "attempts": "batch scored too low",
    "unanswered": "not judged",
}
REST = {"surplus": "sound, but not needed", "reviewer": "rejected by a reviewer"}


def quality(rounds: list[RoundReport]) -> Any:
    """The rows that each stage of quality control kept and rejected, for all rounds or for one."""
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
    choice = choice_of("Show", scopes, "All rounds")
    parts = [KEPT, *FREE_CHECKS.values(), *JUDGED.values(), *REST.values()]
    colors = [BLUE, *(f"var(--{name})" for name in ("wine", "ink", "purple", "orange", "vermilion"))]
    colors += [f"var(--{name})" for name in ("teal", "green", "olive", "muted", "grey", "sky")]
    present = [part for part in parts if any(row["part"] == part for row in rows)]
    scale = alt.Scale(domain=present, range=[colors[parts.index(part)] for part in present])
    stages = list(dict.fromkeys(row["label"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("label:N", sort=stages, title=None, axis=None))
    base = base.transform_filter(alt.datum.scope == choice)
    bars = base.mark_bar(height=16, yOffset=8, cornerRadius=1).encode(
        x=alt.X(
            "count:Q", title="Rows", stack="zero", axis=alt.Axis(tickMinStep=1, tickCount=5, format=",d")
        ),
        color=alt.Color("part:N", scale=scale, legend=top_legend(210)),
        order="order:Q",
        tooltip=[
            alt.Tooltip("label:N", title="Stage"),
            alt.Tooltip("part:N", title="Rows that are"),
            alt.Tooltip("count:Q", title="Count", format=","),
        ],
    )
    names = row_labels(base.transform_filter("datum.order == 0"), -12).encode(text="title:N")
    return finish((bars + names).add_params(choice), 210, "What became of the written rows")


def _funnel(scope: str, verdicts: dict[str, int]) -> list[Row]:
    """Four stages. Each has the number of rows that it kept, and of those that it rejected, by reason."""
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
