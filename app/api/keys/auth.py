"""Authentication and scopes: the dependency of every operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.keys.cache import RecentKeys
from app.api.keys.cookies import COOKIE, Signer
from app.api.keys.rate_limit import Rates
from app.db import api_keys as key_repository
from app.db.api_keys import SCOPES, Scope
from app.db.engine import Sessions
from app.db.models import ApiKey
from app.errors import Forbidden, TooManyRequests, Unauthorized
from app.settings import Settings

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
        """The owner whose runs and data sets the caller sees; None is every owner."""
        return None if "admin" in self.scopes else self.owner


ANYBODY = Caller("", frozenset(SCOPES))


@cache
def caller(scope: Scope, *, form: bool = False) -> Callable[..., Awaitable[Caller]]:
    """A dependency that gives the caller, who has `scope`.

    A browser's cookie stands for its key where a request only reads. For one that changes something it counts with
    `form` alone, for such a request must prove that it comes from a page of ours.

    Raises:
        Unauthorized: the request has no key, or one that is unknown or revoked.
        Forbidden: the key lacks the scope.
        TooManyRequests: the key, or the address where there is no key, has sent too many requests.
    """

    async def asking(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Caller:
        settings: Settings = request.app.state.settings
        if not settings.keys_required:
            _count(request, None)
            return ANYBODY
        reads = request.method in ("GET", "HEAD")
        known = await _known(request, credentials, cookies=form or reads, recent=reads)
        _count(request, known)
        return _scoped(known, scope)

    return asking


Reader = Annotated[Caller, Depends(caller("read"))]
Writer = Annotated[Caller, Depends(caller("write"))]


async def caller_of_key(request: Request, key: str) -> Caller | None:
    """Whose key this is; None if it is unknown or revoked. It counts against the address's rate."""
    _count(request, None)
    return await _by_digest(request.app.state.reads, key)


async def _known(
    request: Request, credentials: HTTPAuthorizationCredentials | None, *, cookies: bool, recent: bool
) -> Caller | None:
    """Whose key a request has.

    Args:
        cookies: a browser's cookie counts too.
        recent: a look-up of a moment ago is good enough, because the request changes nothing.
    """
    reads: Sessions = request.app.state.reads
    keys: RecentKeys[Caller] = request.app.state.keys
    if credentials is not None:
        key = credentials.credentials
        name, look = f"key {key_repository.digest_of(key)}", partial(_by_digest, reads, key)
    else:
        signer: Signer = request.app.state.signer
        identifier = signer.key_of(request.cookies.get(COOKIE, "")) if cookies else None
        if identifier is None:
            return None
        name, look = f"id {identifier}", partial(_by_id, reads, identifier)
    return await (keys.get(name, look) if recent else look())


async def _by_id(reads: Sessions, identifier: str) -> Caller | None:
    async with reads() as session:
        return _caller(await key_repository.get_by_id(session, identifier))


async def _by_digest(reads: Sessions, key: str) -> Caller | None:
    async with reads() as session:
        return _caller(await key_repository.get_by_digest(session, key_repository.digest_of(key)))


def _caller(key: ApiKey | None) -> Caller | None:
    return Caller(key.id, frozenset(key.scopes)) if key else None


def _count(request: Request, known: Caller | None) -> None:
    rates: Rates = request.app.state.rates
    address = request.client.host if request.client else ""
    wait = rates.take(f"key {known.owner}" if known else f"address {address}")
    if wait:
        raise TooManyRequests("Too many requests. Wait as long as `Retry-After` says (seconds).", wait)


def _scoped(known: Caller | None, scope: Scope) -> Caller:
    if known is None:
        raise Unauthorized("This needs a key that is valid: `Authorization: Bearer pada_...`.")
    if scope not in known.scopes:
        raise Forbidden(
            f"This key lacks the scope `{scope}`. Make one with `pada keys create --scope {scope}`."
        )
    return known
