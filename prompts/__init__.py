"""The teacher's instructions: one Markdown file a node, rendered strictly."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    # instructions are plain text for a model: there is no HTML to escape
    return Environment(loader=PackageLoader("prompts", ""), undefined=StrictUndefined, autoescape=False)  # noqa: S701


def render(name: str, **variables: Any) -> str:
    """The instructions in `prompts/<name>.md`.

    Raises:
        jinja2.UndefinedError: a variable of the file is missing; nothing is ever left blank.
    """
    return _environment().get_template(f"{name}.md").render(**variables).strip()
