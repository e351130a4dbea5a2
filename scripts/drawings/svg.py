"""Boxes, arrows and text as SVG: what the diagrams are made of."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

SANS = "font-family='DejaVu Sans,Verdana,sans-serif'"
MONO = "font-family='DejaVu Sans Mono,Menlo,monospace'"
INK, MUTED, LINE = "#1f2430", "#5b6472", "#8a93a3"


def document(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    """A whole picture with a background of its own, so that it is readable on dark pages too."""
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"role='img' aria-label='{escape(title, quote=True)}'>"
    )
    marker = (
        "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto-start-reverse'>"
        f"<path d='M0,0 L8,4 L0,8 z' fill='{LINE}'/></marker></defs>"
    )
    ground = f"<rect width='{width}' height='{height}' rx='10' fill='#fbfbfd' stroke='#d9dde5'/>"
    return "\n".join([head, f"<title>{escape(title)}</title>", marker, ground, *parts, "</svg>"]) + "\n"


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    fill: str = INK,
    font: str = SANS,
    anchor: str = "middle",
) -> str:
    return f"<text x='{x:g}' y='{y:g}' font-size='{size}' fill='{fill}' {font} text-anchor='{anchor}'>{escape(words)}</text>"


def box(x: float, y: float, width: float, height: float, fill: str, *, dashed: bool = False) -> str:
    dash = " stroke-dasharray='5 4'" if dashed else ""
    return f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='6' fill='{fill}' stroke='{LINE}'{dash}/>"


def arrow(points: Sequence[tuple[float, float]], *, dashed: bool = False) -> str:
    """A line through the points, with a tip at the last one."""
    dash = " stroke-dasharray='5 4'" if dashed else ""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f"<polyline points='{path}' fill='none' stroke='{LINE}' stroke-width='1.5'{dash} marker-end='url(#tip)'/>"
