"""Which hosts a teacher may live on, however they are written, and that the checked address is the one asked."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from graphs.errors import TeacherError
from graphs.teacher import network
from graphs.teacher.network import ANYWHERE, CheckedTransport, Network, RefusedAddressError
from tests.flaky_server import FlakyServer
from tests.graphs.teacher.asking import analyse, make_teacher
from tests.graphs.teacher.redirecting_host import redirecting_host

PUBLIC_ONLY = Network(private=False)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "2852039166", "0xA9FEA9FE", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518",
        "169.16689662", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1",
        "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "169.254.170.2",
    ],
)  # fmt: skip
async def test_metadata_is_never_asked(host: str) -> None:
    with pytest.raises(RefusedAddressError, match="never asked"):
        await ANYWHERE.resolve(host, 80)
    with pytest.raises(RefusedAddressError, match="never asked"):
        await Network(trusted=frozenset({host})).resolve(host, 80)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "::1", "2130706433", "0x7f.1", "127.1", "0.0.0.0", "0", "::", "::ffff:10.1.2.3",
        "10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12:3456::1", "2002:7f00:1::1", "224.0.0.1",
    ],
)  # fmt: skip
async def test_private_hosts_are_asked_only_where_the_network_allows_them(host: str) -> None:
    with pytest.raises(RefusedAddressError, match="PADA_PRIVATE_TEACHERS"):
        await PUBLIC_ONLY.resolve(host, 80)
    assert await ANYWHERE.resolve(host, 80)
    assert await Network(private=False, trusted=frozenset({host})).resolve(host, 80)


@pytest.mark.parametrize("host", ["93.184.215.14", "1572395022", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
async def test_public_hosts_are_asked(host: str) -> None:
    assert await PUBLIC_ONLY.resolve(host, 443)


async def test_a_host_with_one_bad_address_among_good_ones_is_refused() -> None:
    with pytest.raises(RefusedAddressError):
        PUBLIC_ONLY.check("both.example", [ip_address("8.8.8.8"), ip_address("10.0.0.1")])


async def test_the_address_that_was_checked_is_asked_under_the_hosts_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that changes its address after the check leads nowhere else."""
    answers = iter([[ip_address("127.0.0.1")], [ip_address("169.254.169.254")]])

    async def look_up(host: str, port: int, flags: int = 0) -> list[network.Address]:
        assert host == "teacher.example"
        return next(answers)

    monkeypatch.setattr(network, "look_up", look_up)
    with FlakyServer([]) as server:
        port = urlsplit(server.url).port
        async with make_teacher(server, tmp_path, base_url=f"http://teacher.example:{port}/v1") as teacher:
            await analyse(teacher, 1)
            await analyse(teacher, 2)
        assert [call.headers["host"] for call in server.calls] == [f"teacher.example:{port}"] * 2
        async with make_teacher(
            server, tmp_path / "2", base_url=f"http://teacher.example:{port}/v1"
        ) as teacher:
            with pytest.raises(TeacherError, match=r"is not asked: teacher\.example leads to 169\.254"):
                await analyse(teacher)
        assert len(server.calls) == 2


async def test_a_redirect_is_checked_too(tmp_path: Path) -> None:
    with redirecting_host() as (host, url), FlakyServer([]) as server:
        host.targets.append("http://2852039166/latest/meta-data")
        async with make_teacher(server, tmp_path, base_url=f"{url}/v1") as teacher:
            with pytest.raises(TeacherError, match=r"2852039166 leads to 169\.254\.169\.254"):
                await analyse(teacher)
    assert host.paths == ["/v1/chat/completions"]


async def test_a_proxy_is_used_for_names_and_told_no_address_of_metadata(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    with redirecting_host() as (proxy, url):
        monkeypatch.setenv("HTTP_PROXY", url)
        named = "http://teacher.example/v1"
        async with httpx.AsyncClient(transport=CheckedTransport(named, ANYWHERE)) as client:
            assert (await client.post(named)).status_code == 502
        for target in ("http://metadata.google.internal/v1", "http://0xA9FEA9FE/v1"):
            async with httpx.AsyncClient(transport=CheckedTransport(target, ANYWHERE)) as client:
                with pytest.raises(RefusedAddressError):
                    await client.post(target)
    assert proxy.paths == [named]


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1", "http://a.local/"]
)
def test_this_machine_and_what_the_environment_excepts_need_no_proxy(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", ".local")
    assert network.proxy_of(url) is None
    assert network.proxy_of("http://teacher.example/v1") == "http://proxy.example:3128"


async def test_an_unknown_name_is_an_ordinary_connection_error() -> None:
    async with httpx.AsyncClient(transport=CheckedTransport("http://no.invalid", ANYWHERE)) as client:
        with pytest.raises(httpx.ConnectError, match=r"no\.invalid is not known"):
            await client.get("http://no.invalid/v1")


async def test_the_second_address_is_tried_where_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def look_up(host: str, port: int, flags: int = 0) -> list[network.Address]:
        return [ip_address("127.0.0.2"), ip_address("127.0.0.1")]

    monkeypatch.setattr(network, "look_up", look_up)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        httpx.AsyncClient(transport=CheckedTransport("http://both.example", ANYWHERE)) as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):  # it was reached
            await client.get(f"http://both.example:{port}/")


async def test_a_redirect_on_the_same_host_keeps_its_name_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that is connected to must not be taken for another host, whose business the key is not."""

    async def look_up(host: str, port: int, flags: int = 0) -> list[network.Address]:
        assert host == "teacher.example"
        return [ip_address("127.0.0.1")]

    monkeypatch.setattr(network, "look_up", look_up)
    with redirecting_host() as (host, url):
        host.targets.append("/v1/chat/")
        port = urlsplit(url).port
        target = f"http://teacher.example:{port}/v1/chat"
        transport = CheckedTransport(target, ANYWHERE)
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            await client.post(target, headers={"Authorization": "Bearer key"}, json={})
    assert host.paths == ["/v1/chat", "/v1/chat/"]
    assert [(headers["host"], headers["authorization"]) for headers in host.seen] == [
        (f"teacher.example:{port}", "Bearer key")
    ] * 2
