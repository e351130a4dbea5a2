"""How much one key may keep."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from app.db import datasets as dataset_repository
from app.db.engine import Sessions
from app.errors import Conflict
from app.settings import Settings


async def refuse_early(reads: Sessions, owner: str, settings: Settings, key: str | None = None) -> None:
    """Refuse an upload before it is read. With an `Idempotency-Key` it may be one that is there already.

    Raises:
        Conflict: the owner has no room for it.
    """
    if key is None:
        async with reads() as session:
            await refuse_full(session, owner, settings)


async def refuse_full(
    session: AsyncSession, owner: str, settings: Settings, more: int = 1, *, uploads: int = 1
) -> None:
    """Refuse what an owner has no room for.

    Args:
        more: bytes of it.
        uploads: how many it is; 0 for rows that are taken from an uploaded file.

    Raises:
        Conflict: it would be more than the settings allow.
    """
    count, size = await dataset_repository.get_stored(session, owner)
    if uploads and count + uploads > settings.max_datasets:
        raise Conflict(
            f"You have {count:,} data sets and files, which is the limit (`PADA_MAX_DATASETS`). Delete some of them."
        )
    if size + more > settings.max_key_bytes:
        raise Conflict(
            f"Your data sets and files have {size:,} bytes, and with this one they would have more than the "
            f"{settings.max_key_bytes:,} that one key may have (`PADA_MAX_KEY_BYTES`). Delete some of them."
        )
