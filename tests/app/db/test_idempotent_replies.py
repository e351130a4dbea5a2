"""Claims on an idempotency key."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.db import idempotent_replies as reply_repository
from tests.app.db.database import empty_database


async def test_a_claim_that_was_taken_over_stores_no_reply(tmp_path: Path) -> None:
    async with empty_database(tmp_path) as sessions:
        async with sessions.begin() as session:
            first = await reply_repository.add_claim(session, "me", "key", "fingerprint")
        await asyncio.sleep(0.05)
        async with sessions.begin() as session:
            row = await reply_repository.get_by_key(session, "me", "key")
            assert row
            assert await reply_repository.take_over(session, row, 60) is None, "it is young"
            second = await reply_repository.take_over(session, row, 0.01)
            assert second
        async with sessions.begin() as session:
            assert not await reply_repository.store_reply(session, first, 202, {"id": "first"})
            await reply_repository.delete_claim(session, first)
            assert await reply_repository.store_reply(session, second, 202, {"id": "second"})
            await reply_repository.delete_claim(session, second)
        async with sessions() as session:
            row = await reply_repository.get_by_key(session, "me", "key")
    assert row, "a reply is no claim, and stays"
    assert row.body == {"id": "second"}


async def test_a_key_belongs_to_its_owner(tmp_path: Path) -> None:
    async with empty_database(tmp_path) as sessions:
        async with sessions.begin() as session:
            await reply_repository.add_claim(session, "me", "key", "fingerprint")
        async with sessions.begin() as session:
            assert await reply_repository.get_by_key(session, "you", "key") is None
