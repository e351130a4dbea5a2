"""Every refusal is a problem document, and the API's description says so."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError

from app.errors import TooManyRequests
from tests.app.api.http_service import Service, problem, serve, settings_for
from trainer.data_files import DataError

SECRET = "the-secret-of-this-test"
METHODS = {"get", "post", "put", "patch", "delete"}


class Inner(BaseModel):
    number: int


class Body(BaseModel):
    inner: list[Inner]
    text: str = ""


def extend(app: FastAPI) -> None:
    def crash() -> None:
        raise RuntimeError(SECRET)

    def data() -> None:
        raise DataError("A row is wrong.")

    def busy() -> None:
        raise TooManyRequests("Wait.", retry_after=7.2)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/path")

    def database_full() -> None:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("PRAGMA max_page_count = 1")
            try:
                connection.execute("CREATE TABLE one (two)")
            except sqlite3.Error as error:
                raise OperationalError("CREATE ...", {}, error) from error

    def away() -> None:
        raise OperationalError("SELECT ...", {}, RuntimeError("the server closed the connection"))

    async def echo(body: Body) -> Body:
        return body

    for function in (crash, data, busy, full, database_full, away):
        app.add_api_route(f"/{function.__name__}", function)
    app.add_api_route("/echo", echo, methods=["POST"])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = settings_for(tmp_path_factory.mktemp("home"), max_body_bytes=5000)
    with serve(settings, extend) as running:
        yield running


def test_a_service_without_room_says_so_and_names_no_path(service: Service) -> None:
    with service.client() as client:
        assert "No space left" in problem(client.get("/full"), 507)["detail"]
        assert "/secret" not in client.get("/full").text
        assert "disk is full" in problem(client.get("/database_full"), 507)["detail"]


def test_a_database_that_is_away_is_worth_another_try(service: Service) -> None:
    with service.client() as client:
        answer = client.get("/away")
    problem(answer, 503)
    assert answer.headers["retry-after"] == "5"


def test_nothing_there(service: Service) -> None:
    with service.client() as client:
        assert "/openapi.json" in problem(client.get("/v1/nothing"), 404)["detail"]


def test_wrong_method(service: Service) -> None:
    with service.client() as client:
        answer = client.put("/healthz")
        problem(answer, 405)
        assert answer.headers["allow"] == "GET"
        assert client.put("/v1/datasets").headers["allow"] == "GET, POST"
        assert client.put(f"/v1/datasets/{'a' * 32}").headers["allow"] == "DELETE, GET"


def test_each_fault_of_a_body_has_a_pointer(service: Service) -> None:
    body = {"inner": [{"number": 1}, {"number": SECRET}], "text": 5}
    with service.client() as client:
        answer = client.post("/echo", json=body)
    document = problem(answer, 422)
    assert [fault["pointer"] for fault in document["errors"]] == ["#/inner/1/number", "#/text"]
    assert SECRET not in answer.text


@pytest.mark.parametrize("limit", ["0", "201", "x"])
def test_a_wrong_query(service: Service, limit: str) -> None:
    with service.client() as client:
        document = problem(client.get("/v1/datasets", params={"limit": limit}), 422)
    assert [fault["pointer"] for fault in document["errors"]] == ["query:limit"]


def test_broken_json(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/echo", content=b'{"inner": [', headers={"Content-Type": "application/json"})
        assert problem(answer, 422)["errors"][0]["pointer"] == "#"
        answer = client.post("/echo", content=b'"\xff"', headers={"Content-Type": "application/json"})
        problem(answer, 400)


def test_our_errors_carry_their_status(service: Service) -> None:
    with service.client() as client:
        assert problem(client.get("/data"), 422)["detail"] == "A row is wrong."
        answer = client.get("/busy")
        problem(answer, 429)
        assert answer.headers["retry-after"] == "8"


def test_a_fault_of_ours_tells_nothing(service: Service) -> None:
    with service.client() as client:
        answer = client.get("/crash")
        assert client.get("/healthz").status_code == 200, "the connection goes on"
    problem(answer, 500)
    assert SECRET not in answer.text


@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_body_is_refused(service: Service, chunked: bool) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"inner": [], "text": "'
        for _ in range(50):
            yield b"x" * 100
        yield b'"}'

    kind = {"Content-Type": "application/json"}
    with service.client() as client:
        problem(client.post("/echo", content=pieces() if chunked else b"".join(pieces()), headers=kind), 413)
        fits = b'{"inner": [], "text": "%s"}' % (b"x" * (5000 - 25))
        assert len(fits) == 5000
        assert client.post("/echo", content=fits, headers=kind).status_code == 200
        assert client.post("/echo", content=iter([fits]), headers=kind).status_code == 200
        problem(client.post("/echo", content=fits + b" ", headers=kind), 413)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        if path.startswith(("/v1/", "/healthz", "/readyz", "/metrics")):
            for method in METHODS & set(item):
                yield f"{method} {path}", item[method]


def test_every_operation_is_described(service: Service) -> None:
    with service.client() as client:
        document = client.get("/openapi.json").json()
    assert {"Problem", "Fault"} <= set(document["components"]["schemas"])
    described = dict(operations(document))
    assert {"post /v1/datasets", "get /v1/datasets/{id}", "get /healthz", "post /v1/runs"} <= set(described)
    for name, operation in described.items():
        assert operation["summary"], name
        assert operation["tags"], name
        openais = operation["tags"] in (["fine-tuning"], ["serving"])
        for status, answer in operation["responses"].items():
            if status >= "400":
                kind = "application/json" if openais else "application/problem+json"
                assert list(answer["content"]) == [kind], (name, status)
        if "requestBody" in operation:
            assert {"408", "4XX"} & set(operation["responses"]), f"{name}: a body may come too slowly"


def shown(part: Any, schemas: dict[str, Any], open_: tuple[str, ...] = ()) -> bool:
    """Whether a part of the document has an example, itself or in a schema that it names."""
    if isinstance(part, list):
        return any(shown(each, schemas, open_) for each in part)
    if not isinstance(part, dict):
        return False
    name = str(part.get("$ref", "")).rpartition("/")[2]
    named = bool(name) and name not in open_ and shown(schemas[name], schemas, (*open_, name))
    return named or "example" in part or "examples" in part or shown(list(part.values()), schemas, open_)


def test_every_answer_and_every_body_has_an_example(service: Service) -> None:
    with service.client() as client:
        document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status < "300" and status != "204":
                assert shown(answer, schemas), (name, status)
        if "requestBody" in operation:
            assert shown(operation["requestBody"], schemas), name


def test_operations_on_data_sets_have_examples(service: Service) -> None:
    with service.client() as client:
        document = client.get("/openapi.json").json()
    for name in ("DataSetView", "DataSetPage", "Health", "Readiness"):
        assert document["components"]["schemas"][name]["example"]
    body = document["paths"]["/v1/datasets"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(body["example"]) == set(body["schema"]["required"])


def test_the_example_of_an_upload_works(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path)) as service, service.client() as client:
        document = client.get("/openapi.json").json()
        body = document["paths"]["/v1/datasets"]["post"]["requestBody"]["content"]["multipart/form-data"]
        example = body["example"]
        files = {split: (split, example[split]) for split in ("train", "validation", "test")}
        answer = client.post("/v1/datasets", data={"name": example["name"]}, files=files)
        assert answer.status_code == 201, answer.text
