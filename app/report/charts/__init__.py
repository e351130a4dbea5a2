"""The page's charts as Vega-Lite specifications, built with Altair.

Colours are CSS variables of the page (`var(--blue)`), so that a chart works in light, dark and print. Every
chart takes its width from the page. Importing this package imports Altair, which takes half a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.report.charts.failures import clusters, patterns
from app.report.charts.progress import loss, spending
from app.report.charts.quality import quality
from app.report.charts.results import differences, scores
from graphs.report import Report

__all__ = ["Spec", "charts", "clusters", "loss", "scores", "specs", "spending"]

Spec = dict[str, Any]


def charts(report: Report) -> dict[str, Spec]:
    """Name -> Vega-Lite specification, for the charts that have data."""
    return specs(
        {
            "scores": scores(report.rounds),
            "differences": differences(report),
            "clusters": clusters(report.rounds),
            "patterns": patterns(report.rounds),
            "quality": quality(report.rounds),
            "spending": spending(report.spending),
            "loss": loss({item.round: item.trainer.loss for item in report.rounds}),
        }
    )


def specs(drawn: Mapping[str, Any]) -> dict[str, Spec]:
    """Name -> Vega-Lite specification of each chart that has data."""
    return {name: chart.to_dict() for name, chart in drawn.items() if chart is not None}
