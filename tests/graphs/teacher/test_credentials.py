"""Keys in headers of another name: where they go, and that they are nowhere else."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from pydantic import ValidationError

from graphs.errors import TeacherError
from graphs.schemas import QualityReport
from graphs.teacher.credentials import Credentials, credentials_fault, read_credentials
from graphs.teacher.network import ANYWHERE, CheckedTransport, leads_home
from graphs.teacher.spec import TeacherSpec
from tests.flaky_server import FlakyServer
from tests.graphs.teacher.asking import analyse, make_teacher
from tests.graphs.teacher.redirecting_host import redirecting_host

CANARY = "azure-canary-0123456789abcdef"
GATEWAY = "Basic gateway-canary-9876543210"
ENVIRON = {"AZURE_KEY": CANARY, "GATEWAY_LOGIN": GATEWAY, "OPENAI_API_KEY": "sk-canary-of-openai"}
HEADERS = {"api-key": "AZURE_KEY", "X-Gateway": "GATEWAY_LOGIN"}


async def test_headers_carry_the_values_of_the_variables_and_no_other_key(tmp_path: Path) -> None:
    with FlakyServer() as server:
        async with make_teacher(server, tmp_path, environ=ENVIRON, headers_env=HEADERS) as teacher:
            await analyse(teacher)
        headers = server.calls[0].headers
    assert (headers["api-key"], headers["x-gateway"]) == (CANARY, GATEWAY)
    assert "authorization" not in headers, "the key of OpenAI is no business of this host"
    assert headers["x-run-id"] == "run-7"


async def test_a_key_goes_along_where_it_is_named(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"headers_env": HEADERS, "api_key_env": "OPENAI_API_KEY"}
    with FlakyServer() as server:
        async with make_teacher(server, tmp_path, environ=ENVIRON, **settings) as teacher:
            await analyse(teacher)
        headers = server.calls[0].headers
    assert (headers["authorization"], headers["api-key"]) == ("Bearer sk-canary-of-openai", CANARY)


async def test_headers_stay_at_their_host_and_a_role_may_have_its_own(tmp_path: Path) -> None:
    judge = {"model": "fair", "headers_env": {"X-Judge": "GATEWAY_LOGIN"}}
    with FlakyServer() as here, FlakyServer() as there:
        for folder, other in (("1", judge | {"base_url": there.url}), ("2", {"base_url": there.url})):
            async with make_teacher(
                here, tmp_path / folder, environ=ENVIRON, headers_env=HEADERS, judge=other
            ) as teacher:
                await analyse(teacher)
                await teacher.ask("judge", QualityReport, "Judge.", {"samples": []})
        assert all(call.headers["api-key"] == CANARY for call in here.calls)
        own, none = (call.headers for call in there.calls)
    assert own["x-judge"] == GATEWAY
    assert not {"api-key", "x-gateway"} & (own.keys() | none.keys())
    assert CANARY not in str(own) + str(none)


def contents(folder: Path) -> str:
    return b"".join(file.read_bytes() for file in folder.iterdir()).decode(errors="replace")


async def test_values_are_in_no_error_log_or_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server repeats all headers, and the part of a value without its scheme."""
    caplog.set_level(logging.DEBUG)
    with FlakyServer(["ok", "500", "ok", "401"]) as server:
        async with make_teacher(server, tmp_path, environ=ENVIRON, headers_env=HEADERS) as teacher:
            await analyse(teacher, 1)
            await analyse(teacher, 2)
            with pytest.raises(TeacherError, match="AZURE_KEY and GATEWAY_LOGIN") as caught:
                await analyse(teacher, 3)
            shown = json.dumps(teacher.describe()) + repr(vars(teacher))
        assert CANARY in str(server.calls[-1].headers)
    shown += "".join(traceback.format_exception(caught.value)) + caplog.text
    shown += "".join(str(vars(record)) for record in caplog.records)
    files = contents(tmp_path)
    for secret in (CANARY, GATEWAY, GATEWAY.split()[1]):
        assert secret not in shown
        assert secret not in files


async def test_a_redirect_takes_no_header_to_another_host() -> None:
    with redirecting_host() as (home, address), redirecting_host() as (other, elsewhere):
        home.targets.append(f"{elsewhere}/v1/chat")
        transport = CheckedTransport(f"{address}/v1", ANYWHERE, Credentials(headers={"api-key": CANARY}))
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            await client.post(f"{address}/v1/chat", json={})
    assert home.seen[0]["api-key"] == CANARY
    assert len(other.seen) == 1
    assert CANARY not in str(other.seen)


@pytest.mark.parametrize(
    ("url", "home", "same"),
    [
        ("https://a.example/v1/x", "https://a.example/v1", True),
        ("https://a.example:443/v1", "https://A.example/v1", True),
        ("https://a.example/v1", "http://a.example/v1", True),
        ("http://a.example/v1", "https://a.example/v1", False),
        ("https://a.example:8443/v1", "https://a.example/v1", False),
        ("http://a.example:8001/", "http://a.example:8000/", False),
        ("https://b.a.example/v1", "https://a.example/v1", False),
        ("https://a.example.evil/v1", "https://a.example/v1", False),
    ],
)
def test_home_is_one_host_and_port(url: str, home: str, same: bool) -> None:
    assert leads_home(httpx.URL(url), httpx.URL(home)) is same


@pytest.mark.parametrize(
    "value", ["good\r\nX-Evil: 1", "good\nnext", "good\n", " good", "caf\xe9-key", "a\0b"]
)
@pytest.mark.parametrize("key", ["headers_env", "api_key_env"])
def test_a_value_that_no_header_can_carry_is_refused_without_repeating_it(key: str, value: str) -> None:
    named: dict[str, Any] = {"headers_env": {"api-key": "MY_KEY"}, "api_key_env": "MY_KEY"}
    spec = TeacherSpec(model="m", base_url="http://a/v1", **{key: named[key]}).role("judge")
    with pytest.raises(TeacherError, match="MY_KEY holds what no HTTP header can carry") as caught:
        read_credentials(spec, {"MY_KEY": value})
    assert value.strip()[:4] not in str(caught.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    spec = TeacherSpec(model="m", headers_env={"api-key": "NOT_SET"}).role("judge")
    assert "NOT_SET is not set" in credentials_fault(spec, {})
    assert "header api-key" in credentials_fault(spec, {})
    assert credentials_fault(spec, {"NOT_SET": "x"}) == "", "OpenAI itself needs no other key then"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"api key": "A"}, "the name of a header"),
        ({"api-key:": "A"}, "the name of a header"),
        ({"a\r\nb": "A"}, "the name of a header"),
        ({"": "A"}, "the name of a header"),
        ({"api-key": "sk-pasted-8c41f7e0d95b"}, "never the key itself"),
        ({"sk-pasted-8c41f7e0d95b": "api-key"}, "never the key itself"),
        ({"sk-pasted-8c41f7e0d95b": 1}, "the name of a header"),
        ({"api-key": ""}, "each header needs"),
        ({"Host": "A"}, "host is set by pada"),
        ({"X-Run-Id": "A"}, "x-run-id is set by pada"),
        ({"Transfer-Encoding": "A"}, "transfer-encoding is set by pada"),
        ({"api-key": "A", "Api-Key": "B"}, "stands here twice"),
        ({f"x-{n}": "A" for n in range(21)}, "at most 20"),
        (["api-key"], "at most 20"),
        ("api-key: sk-pasted-8c41f7e0d95b", "at most 20"),
    ],
)
def test_wrong_headers_are_refused_and_not_repeated(headers: Any, reason: str) -> None:
    for given in ({"headers_env": headers}, {"judge": {"headers_env": headers}}):
        with pytest.raises(ValidationError) as caught:
            TeacherSpec.model_validate({"model": "m", **given})
        (error,) = caught.value.errors(include_url=False, include_input=False)
        assert reason in error["msg"]
        assert "8c41f7e0d95b" not in str(error)
        assert error["loc"][-1] == "headers_env", "no name of a header, which may be the key, is in the place"


def test_no_key_beside_headers_also_after_the_config_was_stored() -> None:
    spec = TeacherSpec(model="m", headers_env={"api-key": "A"})
    again = TeacherSpec.model_validate(spec.model_dump(mode="json"))
    assert spec.role("judge").variables == again.role("judge").variables == ["A"]
