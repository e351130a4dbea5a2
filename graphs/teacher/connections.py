"""What went wrong on the way to an endpoint and back, in words, and whether the request may have been answered."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx  # what the openai client is built on

from graphs.teacher.network import MovedError, RefusedAddressError

BECOMES_GET = (301, 302, 303)
"""Redirects after which clients send a GET in place of a POST (RFC 9110, 15.4)."""
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.TooManyRedirects,
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was raised from: the chat client and the openai client each wrap those below them."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def refusal_in(error: BaseException) -> RefusedAddressError | None:
    """Why our own side does not send a request, or does not follow a redirect; None if it is something else."""
    return next((each for each in causes(error) if isinstance(each, RefusedAddressError)), None)


def connection_fault(error: BaseException, home: httpx.URL) -> tuple[str, bool]:
    """What is wrong, and whether the endpoint may have worked on the request.

    Args:
        error: what the client raised.
        home: the address that was asked, before any redirect.
    """
    found = next(
        (each for each in causes(error) if isinstance(each, httpx.RequestError | httpx.InvalidURL)), None
    )
    if found is None:
        *_, last = causes(error)
        return f"no connection ({_words(last)})", True
    return _fault(found) + _hop(found, home), not isinstance(found, _NOT_SENT)


def _fault(error: httpx.RequestError | httpx.InvalidURL) -> str:
    words = _words(error)
    match error:
        case httpx.TooManyRedirects():
            return "it redirects each request again and again, in a circle or without an end"
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return f"it redirects to what is no address of HTTP ({words})"
        case httpx.ProxyError():
            return f"the proxy does not let the call through ({words})"
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return f"no connection ({words})"
        case httpx.RemoteProtocolError():
            return f"its answer breaks off or is not HTTP ({words})"
        case httpx.DecodingError():
            return f"its answer cannot be unpacked ({words})"
    return f"the connection broke ({words})"


def _hop(error: httpx.RequestError | httpx.InvalidURL, home: httpx.URL) -> str:
    """Where it was redirected to, if it was. The path stays out: it may hold a secret."""
    try:
        asked = error.request.url  # type: ignore[union-attr]
    except (RuntimeError, AttributeError):
        return ""
    if (asked.scheme, asked.netloc) == (home.scheme, home.netloc):
        return ""
    return f", after a redirect to {asked.scheme}://{asked.host}{f':{asked.port}' if asked.port else ''}"


def _words(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__


async def refuse_moved(response: httpx.Response) -> None:
    """A hook of the client for each response.

    Raises:
        MovedError: it redirects so that the POST would become a GET, which no endpoint answers.
    """
    if (
        response.request.method == "POST"
        and response.has_redirect_location
        and response.status_code in BECOMES_GET
    ):
        raise MovedError(response.status_code, response.request.url.join(response.headers["location"]))
