"""POSTs that may be sent again: with an `Idempotency-Key` the work is done once, and each sender gets its reply."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import ColumnElement, CursorResult, delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.keys.auth import Writer
from app.db.engine import Sessions, now
from app.db.models import IdempotentReply, clock
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
    """One POST; `reply` does its work once however often it is sent with the same key.

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
        """Do the work, or give the reply of the request that did it.

        Args:
            location: the `Location` of what was made, such as `/v1/runs/{id}`.
            digest: of a body that was not read into memory (SHA-256, hex).

        Raises:
            Unprocessable: the key was used for another request.
            Conflict: the first request with this key takes too long.
        """
        if self.key is None:
            async with self.sessions.begin() as session:
                made = (await handle(session)).model_dump(mode="json")
            return _answer(status, made, location)
        claim = await self._claim(await self._fingerprint(digest))
        if isinstance(claim, IdempotentReply):
            return _answer(claim.status or status, claim.body or {}, location, replayed=True)
        try:
            return _answer(status, await self._work(handle, status, claim), location)
        except BaseException:
            await self._give_up(claim)
            raise

    async def _fingerprint(self, digest: str | None) -> str:
        body = digest or hashlib.sha256(await self.body()).hexdigest()
        return hashlib.sha256(f"{self.target}\n{body}".encode()).hexdigest()

    async def _claim(self, fingerprint: str) -> float | IdempotentReply:
        """The time of this request's claim on the key, or the reply that is there."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            found = await self._look(fingerprint)
            if found is not None:
                return found
            await asyncio.sleep(POLL_SECONDS)
        raise Conflict("The first request with this `Idempotency-Key` is still at work. Send it again later.")

    async def _look(self, fingerprint: str) -> float | IdempotentReply | None:
        try:
            async with self.sessions.begin() as session:
                row = await session.get(IdempotentReply, (self.owner, self.key), with_for_update=True)
                at = await now(session)
                if row is not None:
                    return _judge(row, fingerprint, at)
                session.add(self._row(fingerprint, at))
                return at
        except IntegrityError:
            return None  # another process was quicker

    def _row(self, fingerprint: str, at: float) -> IdempotentReply:
        return IdempotentReply(owner=self.owner, key=self.key, request=fingerprint, created=at)

    async def _work(self, handle: Handle, status: int, claim: float) -> dict[str, Any]:
        async with self.sessions.begin() as session:
            made = (await handle(session)).model_dump(mode="json")
            query = update(IdempotentReply).where(*self._mine(claim)).values(status=status, body=made)
            if cast("CursorResult[Any]", await session.execute(query)).rowcount != 1:
                raise Conflict("This request took so long that another process does it now. Send it again.")
        return made

    async def _give_up(self, claim: float) -> None:
        """The work failed: the next request with the key may try."""
        async with self.sessions.begin() as session:
            await session.execute(delete(IdempotentReply).where(*self._mine(claim)))

    def _mine(self, claim: float) -> list[ColumnElement[bool]]:
        return [
            IdempotentReply.owner == self.owner,
            IdempotentReply.key == self.key,
            IdempotentReply.created == claim,
            IdempotentReply.status.is_(None),
        ]


def _judge(row: IdempotentReply, fingerprint: str, at: float) -> float | IdempotentReply | None:
    """What a row that is there means: its reply, a claim that can be taken over, or None: wait."""
    if row.request != fingerprint:
        raise Unprocessable(
            "This `Idempotency-Key` was used for another request. Use a new key for each request."
        )
    if row.status is not None:
        return row
    if at - row.created < DEAD_SECONDS:
        return None
    row.created = at
    return at


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
    """What an operation answers with: `return await once.reply(handle, 202)`."""
    target = f"{request.method} {request.url.path}?{request.url.query}"
    return IdempotentRequest(request.app.state.sessions, caller.owner, key, target, request.body)


Idempotent = Annotated[IdempotentRequest, Depends(idempotent_request)]


async def forget(sessions: Sessions) -> None:
    """Remove the replies that nobody will ask for again."""
    async with sessions.begin() as session:
        old = IdempotentReply.created < clock() - KEPT_SECONDS
        await session.execute(delete(IdempotentReply).where(old))
