"""Writes `report.html` and `report.json` into the run's folder."""

from __future__ import annotations

from app.report.html import render_html
from graphs.report import Report
from graphs.run_paths import RunPaths
from trainer.artifacts import write_json, write_text


def write_report(report: Report, paths: RunPaths) -> None:
    """Write `report.html` first, because other programs take `report.json` as a sign that both are there."""
    write_text(paths.html, render_html(report))
    write_json(paths.report, report)
