"""Errors in the form of OpenAI's API, whatever went wrong."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from app.api.openai_errors import NoSuchObjectError, OpenAIRoute, ParameterError
from app.errors import Conflict, PadaError, TooManyRequests, Unavailable, Unprocessable
from tests.app.api.http_service import Service, serve, settings_for
from trainer.data_files import DataError

SECRET = "the-secret-of-this-test"
RAISED: dict[str, Exception] = {
    "parameter": ParameterError("It is wrong.", "colour", "bad_colour"),
    "object": NoSuchObjectError("There is none.", "id"),
    "conflict": Conflict("Not now."),
    "unprocessable": Unprocessable("What?"),
    "rows": DataError("A row is wrong."),
    "busy": TooManyRequests("Wait.", retry_after=7.2),
    "unavailable": Unavailable("Something is missing."),
    "plain": PadaError("Something else."),
    "crash": RuntimeError(SECRET),
}


class Inner(BaseModel):
    number: int


class Body(BaseModel):
    inner: list[Inner]


def extend(app: FastAPI) -> None:
    router = APIRouter(route_class=OpenAIRoute)

    @router.get("/raise/{name}")
    def fail(name: str) -> None:
        raise RAISED[name]

    @router.post("/echo")
    def echo(body: Body) -> Body:
        return body

    app.include_router(router)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(settings_for(tmp_path_factory.mktemp("home"), max_body_bytes=5000), extend) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "status", "kind", "param", "code"),
    [
        ("parameter", 400, "invalid_request_error", "colour", "bad_colour"),
        ("object", 404, "invalid_request_error", "id", None),
        ("conflict", 400, "invalid_request_error", None, None),
        ("unprocessable", 400, "invalid_request_error", None, None),
        ("rows", 400, "invalid_request_error", None, None),
        ("busy", 429, "requests", None, "rate_limit_exceeded"),
        ("unavailable", 503, "server_error", None, None),
        ("plain", 400, "invalid_request_error", None, None),
    ],
)
def test_an_error_has_openais_form(
    service: Service, name: str, status: int, kind: str, param: str | None, code: str | None
) -> None:
    with service.client() as client:
        answer = client.get(f"/raise/{name}")
    assert answer.status_code == status
    message = str(RAISED[name])
    assert answer.json() == {"error": {"message": message, "type": kind, "param": param, "code": code}}
    assert answer.headers.get("retry-after") == ("8" if name == "busy" else None)


def test_a_fault_of_ours_tells_nothing(service: Service) -> None:
    with service.client() as client:
        answer = client.get("/raise/crash")
        assert client.get("/healthz").status_code == 200, "the connection goes on"
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert SECRET not in answer.text


def error_of(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status
    error: dict[str, object] = answer.json()["error"]
    return error


def test_the_first_fault_of_a_body_is_named(service: Service) -> None:
    with service.client() as client:
        faulty = error_of(client.post("/echo", json={"inner": [{"number": 1}, {"number": SECRET}]}), 400)
        assert faulty["param"] == "inner.1.number"
        assert SECRET not in str(faulty)
        kind = {"Content-Type": "application/json"}
        broken = error_of(client.post("/echo", content=b'{"inner": [', headers=kind), 400)
        assert str(broken["message"]).startswith("The body is not valid JSON")
        missing = error_of(client.post("/echo"), 400)
        assert (missing["param"], missing["message"]) == (None, "The body: Field required.")


def test_a_long_body_is_refused(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/echo", content=b" " * 6000, headers={"Content-Type": "application/json"})
    assert "5000 bytes" in str(error_of(answer, 413)["message"])


def test_the_client_raises_its_own_errors(service: Service) -> None:
    with openai.OpenAI(base_url=service.url, api_key="any", max_retries=0) as client:
        for name, kind in {
            "parameter": openai.BadRequestError,
            "object": openai.NotFoundError,
            "busy": openai.RateLimitError,
            "crash": openai.InternalServerError,
        }.items():
            with pytest.raises(kind) as caught:
                client.get(f"/raise/{name}", cast_to=object)
            assert isinstance(caught.value, openai.APIStatusError)
