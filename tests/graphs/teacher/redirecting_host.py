"""A host that redirects what it is asked, or refuses it, and keeps the requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.http_server import QuietHandler, answering


class RedirectingHost(QuietHandler):
    """A class a host: see `redirecting_host`."""

    paths: list[str]
    seen: list[dict[str, str]]
    """Headers of each request, by their names in small letters."""
    targets: list[str]
    """Where it redirects its next requests; all others are answered with 502."""

    def do_POST(self) -> None:
        self.paths.append(self.path)
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.read_body()
        if self.targets:
            self.reply(307, headers={"Location": self.targets.pop(0)})
        else:
            self.reply(502)


@contextmanager
def redirecting_host() -> Iterator[tuple[type[RedirectingHost], str]]:
    """A new host and its address."""
    host = type("Host", (RedirectingHost,), {"paths": [], "seen": [], "targets": []})
    with answering(host) as url:
        yield host, url
