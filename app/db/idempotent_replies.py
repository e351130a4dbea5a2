"""All queries on replies to POSTs with an `Idempotency-Key`. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import now
from app.db.models import IdempotentReply, clock


@dataclass(frozen=True)
class Claim:
    """The right to do the work of a key. Another process may take it over, and then has a later one."""

    owner: str
    key: str
    created: float
    """Seconds since the epoch, by the database's clock."""


async def get_by_key(session: AsyncSession, owner: str, key: str) -> IdempotentReply | None:
    """The row of a key, locked until the transaction ends: a reply, or a claim (its status is None)."""
    return await session.get(IdempotentReply, (owner, key), with_for_update=True)


async def add_claim(session: AsyncSession, owner: str, key: str, request: str) -> Claim:
    """Claim a key that has no row.

    Args:
        request: fingerprint of the request.

    Raises:
        IntegrityError: when the transaction commits, if another process was faster.
    """
    claim = Claim(owner, key, await now(session))
    session.add(IdempotentReply(owner=owner, key=key, request=request, created=claim.created))
    return claim


async def take_over(session: AsyncSession, row: IdempotentReply, seconds: float) -> Claim | None:
    """Claim a key whose claim is older than `seconds`; None where it is younger."""
    time = await now(session)
    if time - row.created < seconds:
        return None
    row.created = time
    return Claim(row.owner, row.key, time)


async def store_reply(session: AsyncSession, claim: Claim, status: int, body: dict[str, Any]) -> bool:
    """Store the reply; false when another process has taken the claim over."""
    query = update(IdempotentReply).where(*_row_of(claim)).values(status=status, body=body)
    return cast("CursorResult[Any]", await session.execute(query)).rowcount == 1


async def delete_claim(session: AsyncSession, claim: Claim) -> None:
    """Let the next request with the key do the work."""
    await session.execute(delete(IdempotentReply).where(*_row_of(claim)))


async def delete_older_than(session: AsyncSession, seconds: float) -> None:
    """Delete old replies and claims."""
    await session.execute(delete(IdempotentReply).where(IdempotentReply.created < clock() - seconds))


def _row_of(claim: Claim) -> list[ColumnElement[bool]]:
    return [
        IdempotentReply.owner == claim.owner,
        IdempotentReply.key == claim.key,
        IdempotentReply.created == claim.created,
        IdempotentReply.status.is_(None),
    ]
