"""What a browser may do that shows another site, on every route; and what our answers may do in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from app.api.app import create_app
from tests.app.api.http_service import Service, serve, settings_for

HEADERS = (
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "cross-origin-resource-policy",
    "cache-control",
)


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(settings_for(tmp_path_factory.mktemp("open") / "home")) as running:
        yield running


def routes() -> list[tuple[str, str]]:
    """Method and path of every route, with ids of nothing."""
    return [
        (method, re.sub(r"\{\w+\}", "0" * 32, str(route.path)))
        for route in iter_route_contexts(create_app(settings_for(Path("unused"))).routes)
        for method in sorted(route.methods or ())
        if method != "HEAD"
    ]


ROUTES = routes()


def test_all_routes_are_tried() -> None:
    assert len(ROUTES) > 35
    assert {("GET", "/healthz"), ("POST", "/v1/datasets"), ("GET", "/"), ("POST", "/new")} <= set(ROUTES)


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/nowhere")])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(
    open_service: Service, method: str, path: str, headers: dict[str, str]
) -> None:
    with open_service.client() as client:
        answer = client.request(method, path, headers=headers)
    assert answer.status_code == 403, answer.text
    assert "Without keys" in answer.json()["detail"]


def test_a_link_from_elsewhere_may_be_followed_but_no_form_sent(open_service: Service) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    with open_service.client() as client:
        assert client.get("/", headers=link).status_code == 200
        assert client.post("/new", headers=link).status_code == 403
        assert client.get("/healthz", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200), ("GET", "/v1/runs", 200), ("GET", "/nowhere", 404), ("PUT", "/v1/runs", 405),
        ("POST", "/v1/runs", 422), ("GET", "/", 200), ("GET", "/openapi.json", 200), ("GET", "/runs/x", 404),
    ],
)  # fmt: skip
def test_every_answer_has_the_headers_that_keep_it_from_doing_anything(
    open_service: Service, method: str, path: str, status: int
) -> None:
    with open_service.client() as client:
        answer = client.request(method, path)
        assert answer.status_code == status
        held = [answer, client.request(method, path, headers={"Host": "evil.example"})]
        held.append(
            client.post("/v1/runs", content=b"x" * (2 << 20), headers={"Content-Type": "application/json"})
        )
    assert [each.status_code for each in held[1:]] == [403, 413]
    for each in held:
        assert [name for name in HEADERS if name not in each.headers] == []
        assert "frame-ancestors 'none'" in each.headers["content-security-policy"]


def test_with_keys_other_host_names_are_answered(tmp_path: Path) -> None:
    """A service with keys stands behind names that it does not know."""
    with (
        serve(settings_for(tmp_path / "home", auth="on")) as keyed,
        httpx.Client(base_url=keyed.url) as client,
    ):
        assert client.get("/healthz", headers={"Host": "pada.example"}).status_code == 200
        assert "x-content-type-options" in client.get("/v1/runs").headers
