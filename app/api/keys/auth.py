"""Who asks, and whether they may: the dependency of every operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.keys.rate_limit import Rates
from app.db import api_keys as key_repository
from app.db.api_keys import SCOPES, Scope
from app.db.engine import Sessions
from app.errors import Forbidden, TooManyRequests, Unauthorized
from app.settings import Settings

LOCAL = {"localhost", "127.0.0.1", "::1"}

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    bearerFormat="pada_...",
    description="A key made by `pada keys create`. Not needed where the service listens on loopback only.",
)


@dataclass(frozen=True)
class Caller:
    """Who makes a request."""

    owner: str
    """Id of the key; empty where keys are off."""
    scopes: frozenset[str]

    @property
    def sees(self) -> str | None:
        """Whose runs and data sets it sees; None is everybody's."""
        return None if "admin" in self.scopes else self.owner


ANYBODY = Caller("", frozenset(SCOPES))


@cache
def caller(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that gives the caller, who has `scope`.

    Raises:
        Unauthorized: the request has no key, or one that is unknown or revoked.
        Forbidden: the key lacks the scope.
        TooManyRequests: the key, or the address where there is none, asks too often.
    """

    async def asking(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Caller:
        settings: Settings = request.app.state.settings
        if not settings.keys_required:
            _refuse_pages(request, settings.host)
            _count(request, None)
            return ANYBODY
        found = await _known(request.app.state.reads, credentials)
        _count(request, found)
        return _scoped(found, scope)

    return asking


Reader = Annotated[Caller, Depends(caller("read"))]
Writer = Annotated[Caller, Depends(caller("write"))]


async def _known(reads: Sessions, credentials: HTTPAuthorizationCredentials | None) -> Caller | None:
    if credentials is None:
        return None
    async with reads() as session:
        key = await key_repository.get_by_digest(session, key_repository.digest_of(credentials.credentials))
    return Caller(key.id, frozenset(key.scopes)) if key else None


def _count(request: Request, found: Caller | None) -> None:
    rates: Rates = request.app.state.rates
    address = request.client.host if request.client else ""
    wait = rates.take(f"key {found.owner}" if found else f"address {address}")
    if wait:
        raise TooManyRequests("Too many requests. Wait as long as `Retry-After` says (seconds).", wait)


def _scoped(found: Caller | None, scope: Scope) -> Caller:
    if found is None:
        raise Unauthorized("This needs a key that is valid: `Authorization: Bearer pada_...`.")
    if scope not in found.scopes:
        raise Forbidden(
            f"This key lacks the scope `{scope}`. Make one with `pada keys create --scope {scope}`."
        )
    return found


def _refuse_pages(request: Request, host: str) -> None:
    """Where no key is asked for, a web page in the user's browser must not be able to act for the user."""
    name = request.url.hostname
    origin = request.headers.get("origin")
    if name not in LOCAL | {host}:
        raise Forbidden(
            "Without keys the service answers under `localhost` only, not under another host name."
        )
    if origin is not None and origin != f"{request.url.scheme}://{request.url.netloc}":
        raise Forbidden("Without keys the service does not answer pages of other sites. Set `PADA_AUTH=on`.")
