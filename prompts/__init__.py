"""The teacher's instructions, rendered strictly: one Markdown file for each purpose.

`write/` and `judge/` have a file for each kind of writing (`Writing`), which fills in what differs from their `base.md`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

Writing = Literal["pattern", "train_error", "contrast", "train_row", "task", "explore"]
"""What new rows are written for: a strategy against a pattern, a training error, a training error alongside rows that the
student gets right, a training row to say in other words, the task as such, or kinds of answer that no failure asked for."""
Judging = Writing | Literal["unlabeled"]
"""What new rows are judged for: also answers to real prompts, which nobody writes."""


@cache
def _environment() -> Environment:
    # instructions are plain text for a model: there is no HTML to escape
    return Environment(
        loader=PackageLoader("prompts", ""),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, **variables: Any) -> str:
    """The instructions in `prompts/<name>.md`.

    Raises:
        jinja2.UndefinedError: a variable of the file is missing; nothing is ever left blank.
    """
    return _environment().get_template(f"{name}.md").render(**variables).strip()
