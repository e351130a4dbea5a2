"""Keeps the pages of other sites out, and tells browsers what our answers may do. It holds for every route.

Without keys whoever reaches the service may use it, and a browser on this machine reaches it for every page that it
shows. So the service then looks at the headers that only a browser sets: Host (a name of another site that resolves to
this machine is DNS rebinding), Origin, and Sec-Fetch-Site (W3C Fetch Metadata).
"""

from __future__ import annotations

from starlette.datastructures import URL, Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import respond
from app.settings import Settings

LOCAL = {"localhost", "127.0.0.1", "::1"}
OURS = {"same-origin", "none"}
"""Sec-Fetch-Site of a request by a page of ours, and of one by the user: an address typed or a bookmark."""

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every answer that does not have them already."""
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The content security policy of an answer that is no page."""
OWN_POLICY = "frame-ancestors 'none'"
"""Of a page that has its policy inside, such as a report."""


class Origins:
    """Middleware. See the module."""

    def __init__(self, app: ASGIApp, settings: Settings):
        self._app = app
        self._open = not settings.keys_required
        self._hosts = LOCAL | {settings.host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(MutableHeaders(scope=message))
            await send(message)

        if self._open and (fault := foreign(scope, self._hosts)):
            await respond(Request(scope), 403, fault)(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


def foreign(scope: Scope, hosts: set[str]) -> str:
    """Why a request is not answered without keys; empty if it is."""
    url, headers = URL(scope=scope), Headers(scope=scope)
    if url.hostname not in hosts:
        return "Without keys the service answers under `localhost` only, not under another host name."
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    followed = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in ("GET", "HEAD")
    if (origin is not None and origin != f"{url.scheme}://{url.netloc}") or (
        site is not None and site not in OURS and not followed
    ):
        return "Without keys the service does not answer pages of other sites. Set `PADA_AUTH=on`."
    return ""


def add_headers(headers: MutableHeaders) -> None:
    """Add what the answer lacks of the headers that keep it from doing anything."""
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Content-Security-Policy", OWN_POLICY if page else NOTHING)
