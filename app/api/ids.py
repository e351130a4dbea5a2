"""Ids in the paths of operations."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Path
from pydantic import AfterValidator

from app.errors import NotFound

ID = re.compile("[0-9a-f]{32}")
SHOWN = 100
"""Characters of an unknown id that a message repeats."""


def id_path(description: str, **more: Any) -> Any:
    """The parameter of a path; the document of the operations says what an id looks like."""
    return Path(description=description, json_schema_extra={"pattern": f"^{ID.pattern}$"}, **more)


def refuse_unknown(missing: str) -> AfterValidator:
    """Say that there is no such thing where a text can be no id, as for an id that nothing has.

    Args:
        missing: the message; a `{}` in it stands for the text.
    """

    def check(text: str) -> str:
        if not ID.fullmatch(text):
            raise NotFound(missing.format(repr(text[:SHOWN])))
        return text

    return AfterValidator(check)
