"""Lists in pages: every item once, also where several have the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.api.pagination import decode
from app.db import datasets as dataset_repository
from app.db.models import DataSet
from app.db.pages import PageRequest, encode
from app.errors import Unprocessable
from tests.app.db.database import empty_database


async def test_pages_hold_every_item_once_newest_first(tmp_path: Path) -> None:
    times = {"a": 5.0, "b": 7.0, "c": 7.0, "d": 7.0, "e": 9.25}
    async with empty_database(tmp_path) as sessions:
        async with sessions.begin() as session:
            for name, created in times.items():
                session.add(DataSet(id=name, owner="", name=name, created=created, files={}))
        cursor: str | None = None
        pages: list[list[str]] = []
        while cursor is not None or not pages:
            place = PageRequest(decode(cursor) if cursor else None, 2)
            async with sessions() as session:
                rows, cursor = await dataset_repository.get_page(session, None, place)
            pages.append([row.id for row in rows])
    assert pages == [["e", "d"], ["c", "b"], ["a"]]


def test_a_cursor_is_the_place_after_an_item() -> None:
    cursor = encode(1767225600.123456, "7b1e-x")
    assert decode(cursor) == (1767225600.123456, "7b1e-x")
    assert not set(cursor) & set("+/=|"), "it can stand in a URL"


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "bm90IGEgY3Vyc29y", encode(float("nan"), "a"), encode(1.0, "a b")]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Unprocessable, match="cursor"):
        decode(cursor)
