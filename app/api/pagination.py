"""Query parameters and answers of lists; see `app.db.pages`."""

from __future__ import annotations

import base64
import math
import re
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from app.db.pages import PageRequest
from app.errors import Unprocessable

Item = TypeVar("Item")
ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Page(BaseModel, Generic[Item]):
    """Some of the items, newest first."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


def page_request(
    cursor: Annotated[str | None, Query(description="`next` of the page before.", max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Items of a page, at most.")] = 50,
) -> PageRequest:
    """The query parameters of every list."""
    return PageRequest(decode(cursor) if cursor is not None else None, limit)


PageQuery = Annotated[PageRequest, Depends(page_request)]


def decode(cursor: str) -> tuple[float, str]:
    """The position that a cursor names; the inverse of `app.db.pages.encode`.

    Raises:
        Unprocessable: the text is not a cursor.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        created, _, identifier = text.partition("|")
        time = float(created)
    except ValueError:
        time, identifier = math.nan, ""
    if not math.isfinite(time) or not ID.fullmatch(identifier):
        raise Unprocessable(
            "This cursor is not one. Take `next` of the page before, or begin without a cursor."
        )
    return time, identifier
