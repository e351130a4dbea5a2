"""Turns errors into `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from anyio import BrokenResourceError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.db.engine import AWAY
from app.errors import NoRoom, PadaError, Unavailable
from graphs.errors import machine_blocked
from trainer.data_files import DataError

log = logging.getLogger("pada.service")
MEDIA_TYPE = "application/problem+json"
REFERENCE = "#/components/schemas/{model}"
ALWAYS = (400, 401, 403, 422, 429)
"""Statuses that every operation with a key may answer."""
SLOW = 408
"""Status of a body that comes too slowly, which every operation with a body may answer."""
AWAY_SECONDS = 5.0
"""`Retry-After` while the database is away."""
UNEXPECTED = "Something went wrong in the service; its log says what. The request may be sent again."


class FieldError(BaseModel):
    """One error in a request."""

    pointer: str = Field(
        description="JSON pointer into the body (`#/data/train`), or `query:NAME`, `path:NAME`, `header:NAME`."
    )
    detail: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong, and what to do.")
    instance: str = Field(description="Path of the request.")
    errors: list[FieldError] | None = Field(
        None, description="Each error in a request that cannot be understood."
    )


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem."""
    app.add_exception_handler(PadaError, _known)
    app.add_exception_handler(DataError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _routed)
    for kind in AWAY:
        app.add_exception_handler(kind, _blocked)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_middleware(Guard)


class Guard:
    """Middleware that answers unexpected errors with 500 and logs them.

    Starlette's own middleware raises the error again after its answer, and uvicorn then closes the connection, which
    breaks the client's next request.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if _reader_left(error):
                return
            if started:
                raise
            log.exception("%s %s failed.", scope["method"], scope["path"])
            await respond(Request(scope), 500, UNEXPECTED)(scope, receive, send)


def _reader_left(error: Exception) -> bool:
    """Whether the reader of an event stream has disconnected: FastAPI's stream raises this while it sends an event."""
    return isinstance(error, ExceptionGroup) and error.split(BrokenResourceError)[1] is None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of an operation: these statuses, and those that every operation has."""
    return documented(*sorted({*ALWAYS, *statuses}))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of an operation that asks for no key."""
    return {status: _documented(status) for status in statuses}


def respond(
    request: Request,
    status: int,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem as an answer."""
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=list(errors) or None,
    )
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


async def _known(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, PadaError):
        return respond(request, error.status, str(error), headers=error.headers)
    return respond(request, 422, str(error))


def blocked(error: Exception) -> PadaError | None:
    """What to say of an error of this machine or its database that passes; None for any other."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if machine_blocked(cause) and "locked" not in str(cause):
        detail = cause.strerror if isinstance(cause, OSError) else cause
        return NoRoom(f"The service cannot store this now: {detail}. Nothing of it was kept.")
    if isinstance(error, AWAY) and not isinstance(error, OSError):
        return Unavailable("The database does not answer now. Send the request again.", AWAY_SECONDS)
    return None


async def _blocked(request: Request, error: Exception) -> JSONResponse:
    known = blocked(error)
    if known is None:
        raise error
    log.error("%s %s: %s", request.method, request.url.path, error)
    return await _known(request, known)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(one) for one in error.errors()]
    detail = "; ".join(f"{one.pointer}: {one.detail}" for one in errors)
    return respond(request, 422, detail, errors=errors)


def _field_error(error: Mapping[str, Any]) -> FieldError:
    """The value that was sent is not repeated, because it may hold a secret."""
    if error["type"] == "json_invalid":
        return FieldError(pointer="#", detail=f"Not valid JSON: {error['ctx']['error']}.")
    place, *names = map(str, error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    steps = [name.replace("~", "~0").replace("/", "~1") for name in names]
    pointer = "/".join(["#", *steps]) if place == "body" else f"{place}:{'.'.join(names)}"
    return FieldError(pointer=pointer, detail=message)


async def _routed(request: Request, error: Exception) -> JSONResponse:
    """Handles errors of the router and of `BodyLimit`."""
    assert isinstance(error, HTTPException)
    details = {
        404: f"There is nothing at {request.url.path}. `/openapi.json` lists what there is.",
        405: f"{request.method} is not possible here; the header `Allow` says what is.",
    }
    plain = error.detail == HTTPStatus(error.status_code).phrase
    detail = details.get(error.status_code, error.detail) if plain else error.detail
    headers = {"Allow": _methods(request)} if error.status_code == 405 else error.headers
    return respond(request, error.status_code, detail, headers=headers)


def _methods(request: Request) -> str:
    """All methods of a path (RFC 9110, 10.2.1); the router names only those of the first operation."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern and pattern.match(request.url.path):
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


async def _gone(request: Request, _: Exception) -> JSONResponse:
    """Nobody reads this answer, but a client that disconnects must not count as an error of the service."""
    return respond(request, 400, "The connection ended before the body did. Send the request again.")


def _documented(status: int) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    content = {"schema": {"$ref": REFERENCE.format(model="Problem")}}
    return {"description": phrase, "content": {MEDIA_TYPE: content}}


def add_problems(document: dict[str, Any]) -> None:
    """Put the schema of problems, and the answer to a body that comes too slowly, into an OpenAPI document."""
    _, schemas = models_json_schema([(Problem, "serialization")], ref_template=REFERENCE)
    # clients were generated with this name
    definitions = json.loads(json.dumps(schemas["$defs"]).replace("FieldError", "Fault"))
    document.setdefault("components", {}).setdefault("schemas", {}).update(definitions)
    for operation in (each for item in document["paths"].values() for each in item.values()):
        if "requestBody" in operation and "4XX" not in operation["responses"]:
            operation["responses"].setdefault(str(SLOW), _documented(SLOW))
