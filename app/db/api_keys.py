"""All queries on API keys. Nothing here commits: the caller's transaction does."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from typing import Literal, get_args

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import now
from app.db.models import ApiKey, clock

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each includes those before it. `admin` also sees the runs and data sets of other keys."""
PREFIX = "pada_"


def digest_of(key: str) -> str:
    """The SHA-256 (hex) of a key, which is stored instead of the key."""
    return hashlib.sha256(key.encode()).hexdigest()


async def create(session: AsyncSession, name: str, scope: Scope) -> tuple[ApiKey, str]:
    """Create a key.

    Returns:
        The row, and the text of the key, which is not stored.
    """
    text = PREFIX + secrets.token_urlsafe(32)
    scopes: list[str] = list(SCOPES[: SCOPES.index(scope) + 1])
    row = ApiKey(
        id=uuid.uuid4().hex, name=name, digest=digest_of(text), scopes=scopes, created=await now(session)
    )
    session.add(row)
    await session.flush()
    return row, text


async def get_by_digest(session: AsyncSession, digest: str) -> ApiKey | None:
    """The key with this digest; None if there is none, or it was revoked."""
    query = select(ApiKey).where(ApiKey.digest == digest, ApiKey.revoked.is_(None))
    return (await session.scalars(query)).one_or_none()


async def get_by_id(session: AsyncSession, identifier: str) -> ApiKey | None:
    """The key with this id; None if there is none, or it was revoked."""
    query = select(ApiKey).where(ApiKey.id == identifier, ApiKey.revoked.is_(None))
    return (await session.scalars(query)).one_or_none()


async def get_all(session: AsyncSession) -> Sequence[ApiKey]:
    """All keys, oldest first."""
    return (await session.scalars(select(ApiKey).order_by(ApiKey.created, ApiKey.id))).all()


async def revoke(session: AsyncSession, identifier: str) -> bool:
    """Revoke a key; false when there is none, or it was revoked before."""
    query = (
        update(ApiKey)
        .where(ApiKey.id == identifier, ApiKey.revoked.is_(None))
        .values(revoked=clock())
        .returning(ApiKey.id)
    )
    return (await session.execute(query)).first() is not None
