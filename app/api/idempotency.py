"""POSTs that may be sent again: with an `Idempotency-Key` the work is done once, and each sender gets its reply."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.keys.auth import Writer
from app.db import idempotent_replies as reply_repository
from app.db.engine import Sessions
from app.db.idempotent_replies import Claim
from app.db.models import IdempotentReply
from app.errors import Conflict, Unprocessable

Handle = Callable[[AsyncSession], Awaitable[BaseModel]]
"""Does the work in the transaction that it is given, and returns the reply. It opens no transaction of its own."""

POLL_SECONDS = 0.05
WAIT_SECONDS = 30.0
"""How long a duplicate waits for the first request."""
DEAD_SECONDS = 60.0
"""A request that has not ended by then belonged to a process that was killed."""
KEPT_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class IdempotentRequest:
    """One POST. `reply` does its work once, however often it is sent with the same key.

    The reply is committed together with the work: a process that is killed leaves both or neither.
    """

    sessions: Sessions
    owner: str
    key: str | None
    target: str
    """Method and path."""
    body: Callable[[], Awaitable[bytes]]

    async def reply(
        self, handle: Handle, status: int = 200, *, location: str = "", digest: str | None = None
    ) -> JSONResponse:
        """Do the work, or return the reply of the request that did it.

        Args:
            location: the `Location` of the new resource, such as `/v1/runs/{id}`.
            digest: of a body that was not read into memory (SHA-256, hex).

        Raises:
            Unprocessable: the key was used for another request.
            Conflict: the first request with this key takes too long.
        """
        if self.key is None:
            async with self.sessions.begin() as session:
                made = (await handle(session)).model_dump(mode="json")
            return _answer(status, made, location)
        claim = await self._claim(self.key, await self._fingerprint(digest))
        if isinstance(claim, IdempotentReply):
            return _answer(claim.status or status, claim.body or {}, location, replayed=True)
        try:
            return _answer(status, await self._work(handle, status, claim), location)
        except BaseException:
            await self._release(claim)
            raise

    async def _fingerprint(self, digest: str | None) -> str:
        body = digest or hashlib.sha256(await self.body()).hexdigest()
        return hashlib.sha256(f"{self.target}\n{body}".encode()).hexdigest()

    async def _claim(self, key: str, fingerprint: str) -> Claim | IdempotentReply:
        """This request's claim on the key, or the reply that is there."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            claim = await self._try_claim(key, fingerprint)
            if claim is not None:
                return claim
            await asyncio.sleep(POLL_SECONDS)
        raise Conflict("The first request with this `Idempotency-Key` is still at work. Send it again later.")

    async def _try_claim(self, key: str, fingerprint: str) -> Claim | IdempotentReply | None:
        """None: another request has the claim; wait."""
        try:
            async with self.sessions.begin() as session:
                row = await reply_repository.get_by_key(session, self.owner, key)
                if row is None:
                    return await reply_repository.add_claim(session, self.owner, key, fingerprint)
                if row.request != fingerprint:
                    raise Unprocessable(
                        "This `Idempotency-Key` was used for another request. Use a new key for each request."
                    )
                if row.status is not None:
                    return row
                return await reply_repository.take_over(session, row, DEAD_SECONDS)
        except IntegrityError:
            return None  # another process was faster

    async def _work(self, handle: Handle, status: int, claim: Claim) -> dict[str, Any]:
        async with self.sessions.begin() as session:
            made = (await handle(session)).model_dump(mode="json")
            if not await reply_repository.store_reply(session, claim, status, made):
                raise Conflict("This request took so long that another process does it now. Send it again.")
        return made

    async def _release(self, claim: Claim) -> None:
        """The work failed: the next request with the key may try."""
        async with self.sessions.begin() as session:
            await reply_repository.delete_claim(session, claim)


def _answer(status: int, body: dict[str, Any], location: str, *, replayed: bool = False) -> JSONResponse:
    headers = {"Location": location.format(id=body["id"])} if location else {}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(body, status, headers=headers)


async def idempotent_request(
    request: Request,
    caller: Writer,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[ -~]+$",
            description="Makes the request safe to send again: the same key and body give the same reply.",
        ),
    ] = None,
) -> IdempotentRequest:
    """A dependency for operations that end with `return await idempotent.reply(handle, 202)`."""
    target = f"{request.method} {request.url.path}?{request.url.query}"
    return IdempotentRequest(request.app.state.sessions, caller.owner, key, target, request.body)


Idempotent = Annotated[IdempotentRequest, Depends(idempotent_request)]


async def delete_old_replies(sessions: Sessions) -> None:
    """Delete the replies that nobody will ask for again."""
    async with sessions.begin() as session:
        await reply_repository.delete_older_than(session, KEPT_SECONDS)
