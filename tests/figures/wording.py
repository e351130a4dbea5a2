"""How figures are written."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]
"""A file of `benchmarks/results`."""


def row(*cells: str) -> str:
    return " ".join(f"| {' | '.join(cells)} |".split())


def percent(value: float) -> str:
    return f"{100 * value:.1f}%"
