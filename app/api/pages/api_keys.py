"""`/keys`: the API keys of the service, for callers with the scope `admin`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.api.ids import id_path, refuse_unknown
from app.api.keys.auth import Caller, caller
from app.api.pages.rendering import page
from app.api.pages.routes import PageRoute, Token, check_token, frame
from app.db import api_keys as key_repository
from app.errors import NotFound, Unprocessable
from app.settings import Settings

FormAdmin = Annotated[Caller, Depends(caller("admin", form=True))]
Name = Annotated[str, Form(max_length=1000)]
LONGEST_NAME = 200
MISSING = "There is no such key, or it was revoked before."
KeyId = Annotated[str, id_path("Id of a key."), refuse_unknown(MISSING)]
Grantable = Annotated[Literal["read", "write"], Form()]
"""Scopes of a key that the page makes. Keys with `admin` are made on the machine itself, with `pada keys create`."""

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/keys")
async def keys(request: Request, who: FormAdmin) -> Response:
    """All keys, without their texts."""
    need_keys(request)
    return await show(request, who)


@router.post("/keys")
async def create(
    request: Request, who: FormAdmin, name: Name, scope: Grantable, token: Token = ""
) -> Response:
    """Create a key and show its text, this once.

    Raises:
        Unprocessable: the name is empty, too long, or has characters that a terminal would act on.
    """
    check(request, who, token)
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Unprocessable(f"The name must be 1 to {LONGEST_NAME} printable characters.")
    async with request.app.state.sessions.begin() as session:
        _, text = await key_repository.create(session, name, scope)
    return await show(request, who, made=text)


@router.post("/keys/{id}/revoke")
async def revoke(request: Request, id: KeyId, who: FormAdmin, token: Token = "") -> Response:
    """Revoke a key; its runs and data sets stay."""
    check(request, who, token)
    async with request.app.state.sessions.begin() as session:
        if not await key_repository.revoke(session, id):
            raise NotFound(MISSING)
    request.app.state.keys.forget()
    return RedirectResponse("/keys", 303)


async def show(request: Request, who: Caller, made: str = "") -> Response:
    """The page, with the text of a key that was made just now."""
    async with request.app.state.reads() as session:
        rows = await key_repository.get_all(session)
    shown: dict[str, Any] = {"rows": rows, "made": made}
    return page("keys.html", **shown, **frame(request, who))


def check(request: Request, who: Caller, token: str) -> None:
    """Refuse a form that is not of this caller's page."""
    need_keys(request)
    check_token(request, who, token)


def need_keys(request: Request) -> None:
    """Refuse where the service needs no keys: anybody on the machine could then make one for later.

    Raises:
        NotFound: keys are off.
    """
    settings: Settings = request.app.state.settings
    if not settings.keys_required:
        raise NotFound("This service needs no keys. Set `PADA_AUTH=on` to use them.")
