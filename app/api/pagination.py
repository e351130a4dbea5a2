"""Long lists in pages, newest first. A page names the next one by a cursor: the place after its last item."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Unprocessable

Item = TypeVar("Item")
ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Listed(Protocol):
    """A table that has pages."""

    id: Any
    created: Any


Row = TypeVar("Row", bound=Listed)


class Page(BaseModel, Generic[Item]):
    """Some of the items, newest first."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


@dataclass(frozen=True)
class Place:
    """Which page is asked for."""

    cursor: tuple[float, str] | None
    limit: int


def place(
    cursor: Annotated[str | None, Query(description="`next` of the page before.", max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Items of a page, at most.")] = 50,
) -> Place:
    """The query parameters of every list."""
    return Place(decode(cursor) if cursor is not None else None, limit)


Asked = Annotated[Place, Depends(place)]


async def fetch(
    session: AsyncSession, query: Select[Row], table: type[Row], asked: Place
) -> tuple[list[Row], str | None]:
    """The rows of one page, and the cursor of the next."""
    if asked.cursor:
        query = query.where(tuple_(table.created, table.id) < asked.cursor)
    ordered = query.order_by(table.created.desc(), table.id.desc()).limit(asked.limit + 1)
    return cut((await session.scalars(ordered)).all(), asked.limit)


def cut(rows: Sequence[Row], limit: int) -> tuple[list[Row], str | None]:
    """A page of `limit` rows, and the cursor of the next one if there are more rows than that."""
    shown = list(rows[:limit])
    more = len(rows) > limit
    return shown, encode(shown[-1].created, shown[-1].id) if more else None


def encode(created: float, identifier: str) -> str:
    """The place after the item with this time (seconds since the epoch) and id."""
    return base64.urlsafe_b64encode(f"{created!r}|{identifier}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[float, str]:
    """The other way round.

    Raises:
        Unprocessable: the text is no cursor of ours.
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
