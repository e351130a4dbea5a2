"""Long lists in pages, newest first. A page has a cursor for the next one: the position after its last item."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession


class Listed(Protocol):
    """A table that has pages."""

    id: Any
    created: Any


Row = TypeVar("Row", bound=Listed)


@dataclass(frozen=True)
class PageRequest:
    """The page to read: `limit` items after `cursor` (time in seconds since the epoch, id), or the first ones."""

    cursor: tuple[float, str] | None
    limit: int
    ascending: bool = False
    """The oldest first."""


async def fetch(
    session: AsyncSession, query: Select[Row], table: type[Row], request: PageRequest
) -> tuple[list[Row], str | None]:
    """The rows of one page, and the cursor of the next."""
    place = tuple_(table.created, table.id)
    if request.cursor:
        query = query.where(place > request.cursor if request.ascending else place < request.cursor)
    keys = (table.created, table.id) if request.ascending else (table.created.desc(), table.id.desc())
    ordered = query.order_by(*keys).limit(request.limit + 1)
    return cut((await session.scalars(ordered)).all(), request.limit)


def cut(rows: Sequence[Row], limit: int) -> tuple[list[Row], str | None]:
    """A page of `limit` rows, and the cursor of the next one if there are more rows than that."""
    shown = list(rows[:limit])
    more = len(rows) > limit
    return shown, encode(shown[-1].created, shown[-1].id) if more else None


def encode(created: float, identifier: str) -> str:
    """The cursor after the item with this time (seconds since the epoch) and id; `app.api.pagination.decode` reads
    it."""
    return base64.urlsafe_b64encode(f"{created!r}|{identifier}".encode()).decode().rstrip("=")
