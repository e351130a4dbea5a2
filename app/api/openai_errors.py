"""Errors in the form of OpenAI's API, for the operations that its clients call.

An error is `{"error": {"message", "type", "param", "code"}}`. Statuses are those that its clients know: a request that
is refused in the present state is a 400 here, because they send a 409 again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.problems import UNEXPECTED, blocked
from app.errors import PadaError
from trainer.data_files import DataError

log = logging.getLogger("pada.service")
STATUSES = {409: 400, 422: 400}
"""Our status -> OpenAI's."""
CODES = {401: "invalid_api_key", 403: "missing_scope", 429: "rate_limit_exceeded"}
UNION = re.compile(r"int|float|.*[\[-].*")
"""What pydantic adds to the place of an error in a value of several types: `literal['auto']`, `constrained-int`."""


class ErrorDetail(BaseModel):
    """What is wrong."""

    message: str = Field(description="What is wrong, and what to do.")
    type: str
    param: str | None = Field(None, description="The parameter that is wrong.")
    code: str | None = None


class ErrorAnswer(BaseModel):
    """Why a request was refused, in the form of OpenAI's API."""

    error: ErrorDetail


class ParameterError(PadaError):
    """A parameter that cannot be used.

    Args:
        param: its name.
        code: OpenAI's word for the error, where it has one.
    """

    status = 400

    def __init__(self, message: str, param: str, code: str | None = None):
        super().__init__(message)
        self.param, self.code = param, code


class NoSuchObjectError(ParameterError):
    """A file, job or model that does not exist, or belongs to another key."""

    status = 404


class OpenAIRoute(APIRoute):
    """Answers errors of its operations in the form of OpenAI's API: `APIRouter(route_class=OpenAIRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except ClientDisconnect:
                raise
            except Exception as error:
                return _answer(request, error)

        return answer


def openai_errors() -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of an operation of an `OpenAIRoute`."""
    return {"4XX": {"model": ErrorAnswer, "description": "The request was refused."}}


def error_answer(
    status: int,
    message: str,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An error as an answer; `status` may be one of ours."""
    status = STATUSES.get(status, status)
    kind = {429: "requests"}.get(status, "server_error" if status >= 500 else "invalid_request_error")
    detail = ErrorDetail(message=message, type=kind, param=param, code=code or CODES.get(status))
    return JSONResponse(ErrorAnswer(error=detail).model_dump(), status, headers=dict(headers or {}))


def _answer(request: Request, error: Exception) -> JSONResponse:
    match error:
        case ParameterError():
            return error_answer(error.status, str(error), error.param, error.code)
        case PadaError():
            return error_answer(error.status, str(error), headers=error.headers)
        case DataError():
            return error_answer(400, str(error))
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return error_answer(error.status_code, error.detail, headers=error.headers)
    if known := blocked(error):
        log.error("%s %s: %s", request.method, request.url.path, error)
        return error_answer(known.status, str(known), headers=known.headers)
    log.error("%s %s failed.", request.method, request.url.path, exc_info=error)
    return error_answer(500, UNEXPECTED)


def _invalid(error: RequestValidationError) -> JSONResponse:
    """Names the first parameter that is wrong. Its value is not repeated, because it may hold a secret."""
    faults = error.errors()
    if faults[0]["type"] == "json_invalid":
        return error_answer(400, f"The body is not valid JSON: {faults[0]['ctx']['error']}.")
    param = _parameter(faults[0]["loc"])
    reasons = [
        str(fault["msg"]).removeprefix("Value error, ")
        for fault in faults
        if _parameter(fault["loc"]) == param
    ]
    if faults[0]["type"] == "extra_forbidden":
        reasons = ["unknown parameter; leave it out"]
    return error_answer(400, f"{param or 'The body'}: {', or '.join(reasons)}.", param or None)


def _parameter(place: tuple[int | str, ...]) -> str:
    """`method.supervised.hyperparameters.n_epochs`, without where it was sent."""
    names = [str(part) for part in place[1:]]
    while names and UNION.fullmatch(names[-1]):
        names.pop()
    return ".".join(names)
