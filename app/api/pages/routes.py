"""What all pages share: errors as pages, who looks, and the tokens of forms."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from pydantic import BeforeValidator, ValidationError

from app.api.keys.auth import Caller, caller
from app.api.keys.cookies import Signer
from app.api.pages.rendering import page
from app.errors import Forbidden, PadaError, Unauthorized, Unprocessable
from app.settings import Settings
from graphs.teacher.spec import BudgetSpec
from trainer.data_files import DataError


class PageRoute(APIRoute):
    """Answers a person's mistakes with a page, and leads to the sign-in where a key is missing."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthorized:
                return led_to_sign_in(request)
            except PadaError as error:
                response = error_page(request, error.status, str(error))
                response.headers.update(error.headers)
                return response
            except DataError as error:
                return error_page(request, 422, str(error))
            except RequestValidationError:
                return error_page(request, 404, "There is no such page.")

        return answer


def led_to_sign_in(request: Request) -> Response:
    """Where a key is asked for, and then the page that was asked for. A part of a page leads the whole page there."""
    if "hx-request" in request.headers:
        return Response(headers={"HX-Redirect": sign_in_for(request.headers.get("hx-current-url", ""))})
    return RedirectResponse(sign_in_for(str(request.url) if request.method == "GET" else ""), 303)


def sign_in_for(address: str) -> str:
    """The sign-in that leads to a page of this service."""
    parts = urlsplit(address)
    wanted = parts.path + (f"?{parts.query}" if parts.query else "")
    return f"/sign-in?{urlencode({'to': wanted})}" if wanted not in ("", "/") else "/sign-in"


def page_of(address: str) -> str:
    """A page of this service; the first one for an address that leads elsewhere."""
    ours = address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address if ours and address.isprintable() else "/"


EMPTY_IS_NONE = BeforeValidator(lambda text: text or None)
"""A form sends its empty choices too."""

FormReader = Annotated[Caller, Depends(caller("read", form=True))]
FormWriter = Annotated[Caller, Depends(caller("write", form=True))]
Token = Annotated[str, Form(max_length=500)]


def budget_in(
    max_usd: Annotated[float | None, Form(), EMPTY_IS_NONE] = None,
    max_calls: Annotated[int | None, Form(), EMPTY_IS_NONE] = None,
    max_tokens: Annotated[int | None, Form(), EMPTY_IS_NONE] = None,
) -> BudgetSpec:
    """The caps in a form; an empty field is no cap.

    Raises:
        Unprocessable: a number is out of its bounds.
    """
    try:
        return BudgetSpec(max_usd=max_usd, max_calls=max_calls, max_tokens=max_tokens)
    except ValidationError as error:
        fault = error.errors()[0]
        raise Unprocessable(f"{fault['loc'][0]}: {fault['msg']}.") from None


Budget = Annotated[BudgetSpec, Depends(budget_in)]


def frame(request: Request, who: Caller | None) -> dict[str, Any]:
    """What every page needs."""
    settings: Settings = request.app.state.settings
    signer: Signer = request.app.state.signer
    return {
        "who": who,
        "keys": settings.keys_required,
        "may_write": who is not None and "write" in who.scopes,
        "is_admin": who is not None and "admin" in who.scopes,
        "token": signer.form_token(who.owner) if who else "",
    }


def error_page(request: Request, status: int, message: str) -> Response:
    """What went wrong, for a person."""
    return page("error.html", status, message=message, **frame(request, None))


def check_token(request: Request, who: Caller, token: str) -> None:
    """Refuse a form that was not shown to this caller.

    Raises:
        Forbidden: the token is another caller's, too old, or no token.
    """
    signer: Signer = request.app.state.signer
    if not signer.is_of_form(token, who.owner):
        raise Forbidden("This form is of another page, or too old. Load the page again.")
