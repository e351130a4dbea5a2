"""What a browser would make of a page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from app.report import wording

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """What a browser would make of a page: its elements, its scripts and its visible text."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self._text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self._text.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())

    @property
    def specs(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.scripts[0])
        return parsed


def values(spec: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
    """The rows of a chart, of all its layers, that have all these keys."""
    layers = [spec, *spec.get("layer", [])]
    rows = [row for layer in layers for row in layer.get("data", {}).get("values", [])]
    return [row for row in rows if all(key in row for key in keys)]


def plain(text: str) -> str:
    """A text with all white space as single blanks."""
    return " ".join(text.replace(wording.NARROW, " ").split())
