"""Which hosts a teacher may live on. It is checked on the address that is connected to, so that no spelling, name or
redirect leads elsewhere.

Addresses of cloud metadata, and with them all link-local ones, are never asked: whoever reaches them gets the machine's
credentials (OWASP, Server-Side Request Forgery Prevention).
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx2 as httpx  # what the openai client is built on

from graphs.teacher.credentials import Credentials

Address = IPv4Address | IPv6Address

METADATA = {ip_address(text) for text in ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254")}
"""Metadata services that are not on link-local addresses: Alibaba, Oracle, Azure, Amazon."""
METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")
"""Names of them, for a proxy that would look them up."""
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
"""Those of the openai client. How many calls there are at once is limited elsewhere."""
REMEMBERED_SECONDS = 30.0
"""How long the checked addresses of a host are used before its name is looked up again."""
TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that end in the IPv4 address to which they lead (RFC 6052)."""


class RefusedAddressError(Exception):
    """A teacher's host may not be asked. The message says why, and what to do."""


class MovedError(RefusedAddressError):
    """An endpoint redirects a POST in a way that makes it a GET. The message says where to."""

    def __init__(self, status: int, url: httpx.URL):
        self.status = status
        where = url.copy_with(username=None, password=None, query=None, fragment=None)
        super().__init__(
            f"HTTP {status}: it redirects to {where}, and so turns the request into another one. Set `teacher.base_url` to the new "
            "address."
        )


@dataclass(frozen=True)
class Network:
    """Where teachers may live."""

    private: bool = True
    """Whether on this machine and in private networks too."""
    trusted: frozenset[str] = frozenset()
    """Hosts that may be private all the same."""

    def check(self, host: str, addresses: Collection[Address]) -> None:
        """Raises RefusedAddressError if a host with one of these addresses may not be asked."""
        for address in map(plain, addresses):
            if address.is_link_local or address in METADATA:
                raise RefusedAddressError(
                    f"{host} leads to {address}, an address of cloud metadata or of the link alone, which is never asked."
                )
            if not (self.private or host in self.trusted or public(address)):
                raise RefusedAddressError(
                    f"{host} leads to {address}, which is on this machine or in a private network. Runs of this service "
                    "may not ask it. Whoever runs the service can allow it with PADA_PRIVATE_TEACHERS=on, or for one "
                    "address in PADA_TEACHER_KEYS."
                )

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a host, all of which may be asked.

        Raises:
            RefusedAddressError: one may not be asked.
            OSError: the name is not known.
        """
        addresses = await look_up(host, port)
        self.check(host, addresses)
        return addresses


ANYWHERE = Network()


async def look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    """The addresses of a host; also of one that is written as a number, such as `2130706433` or `0x7f.1`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [ip_address(place[0]) for *_, place in found]


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 address carries, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address


def public(address: Address) -> bool:
    """Whether an address belongs to the internet."""
    return address.is_global and not address.is_multicast


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to addresses that were checked, also after a redirect. The host's name stays in the request and in the
    certificate's check.

    Args:
        url: the teacher's address. A proxy for it in the environment looks names up itself; then only addresses that
            are written as such are checked.
        credentials: headers that go to the teacher's own host alone, whatever a redirect says.
    """

    def __init__(self, url: str, network: Network, credentials: Credentials | None = None):
        proxy = proxy_of(url)
        self._home, self._credentials = httpx.URL(url), credentials or Credentials()
        self._network, self._proxied = network, proxy is not None
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._inner = httpx.AsyncHTTPTransport(proxy=proxy, limits=LIMITS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address of its host that can be connected to."""
        host = request.url.host
        if self._proxied:
            await self._check_literal(host)
            return await self._inner.handle_async_request(self._sent(request, request.url))
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        addresses = list(await self._addresses(host, port, request))
        while True:
            sent = self._sent(request, request.url.copy_with(host=str(addresses.pop(0))))
            sent.extensions = {**sent.extensions, "sni_hostname": host}
            try:
                return await self._inner.handle_async_request(sent)
            except httpx.ConnectError:
                if not addresses:
                    raise

    def _sent(self, request: httpx.Request, url: httpx.URL) -> httpx.Request:
        """The request as it is sent: to this address, and with the headers if it leads home.

        It is a request of its own, because the client makes the request for a redirect from the old one: it compares the
        addresses to see whose the key is, and would take other headers along to any host.
        """
        headers = request.headers.copy()
        if self._credentials.headers and leads_home(request.url, self._home):
            if not self._credentials.key:
                headers.pop("authorization", None)
            headers.update(self._credentials.headers)
        return httpx.Request(
            request.method, url, headers=headers, stream=request.stream, extensions=request.extensions
        )

    async def _addresses(self, host: str, port: int, request: httpx.Request) -> list[Address]:
        asked = time.monotonic()
        until, addresses = self._known.get((host, port), (0.0, []))
        if asked >= until:
            try:
                addresses = await self._network.resolve(host, port)
            except OSError as error:
                raise httpx.ConnectError(f"{host} is not known: {error.strerror}", request=request) from None
            self._known[host, port] = asked + REMEMBERED_SECONDS, addresses
        return addresses

    async def _check_literal(self, host: str) -> None:
        if host.rstrip(".").lower() in METADATA_NAMES:
            raise RefusedAddressError(f"{host} is a name of cloud metadata, which is never asked.")
        try:
            addresses = await look_up(host, 0, socket.AI_NUMERICHOST)
        except OSError:
            return  # a name
        self._network.check(host, addresses)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def leads_home(url: httpx.URL, home: httpx.URL) -> bool:
    """Whether an address is at the teacher's own host and port, or there by TLS where the teacher was named without."""
    upgraded = (home.scheme, url.scheme) == ("http", "https") and home.port is None and url.port is None
    return url.host == home.host and ((url.scheme, url.port) == (home.scheme, home.port) or upgraded)


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        if ip_address(host).is_loopback:
            return None
    except ValueError:
        pass
    if host == "localhost" or proxy_bypass(host):
        return None
    proxies = getproxies_environment()
    return proxies.get(parts.scheme) or proxies.get("all")
