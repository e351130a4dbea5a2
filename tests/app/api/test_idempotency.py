"""POSTs that are sent again: the work is done idempotent."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api import idempotency
from app.api.idempotency import Idempotent
from app.db import datasets as dataset_repository
from app.db.models import DataSet, IdempotentReply
from app.errors import Conflict
from tests.app.api.http_service import Service, problem, serve, settings_for


class Thing(BaseModel):
    id: str
    name: str


class Order(BaseModel):
    name: str
    fail: bool = False
    crash: bool = False
    lose: bool = False


async def make(order: Order, request: Request, idempotent: Idempotent) -> Any:
    """Stores a row, as every POST of the service does."""

    async def handle(session: AsyncSession) -> Thing:
        if order.lose:  # another process takes the claim over
            async with idempotent.sessions.begin() as other:
                await other.execute(update(IdempotentReply).values(created=IdempotentReply.created + 1))
        row = DataSet(id=uuid.uuid4().hex, owner="", name=order.name, files={})
        await dataset_repository.add(session, row)
        if order.fail and not request.app.state.mended:
            raise Conflict("Not now.")
        if order.crash and not request.app.state.mended:
            raise RuntimeError("a fault of the service")
        return Thing(id=row.id, name=row.name)

    return await idempotent.reply(handle, 202, location="/things/{id}")


def extend(app: FastAPI) -> None:
    app.state.mended = False
    app.add_api_route("/things", make, methods=["POST"], status_code=202)
    app.add_api_route("/others", make, methods=["POST"], status_code=202)
    app.add_api_route("/mend", lambda: setattr(app.state, "mended", True), methods=["POST"])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path), extend) as running:
        yield running


def post(client: httpx.Client, key: str | None = "k", path: str = "/things", **order: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return client.post(path, json={"name": "one", **order}, headers=headers)


def made(service: Service) -> list[str]:
    return [name for (name,) in service.sql("SELECT id FROM datasets")]


def test_a_hundred_at_once_make_one(service: Service) -> None:
    async def storm() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=service.url, limits=limits, timeout=60) as client:
            key = {"Idempotency-Key": "storm"}
            return list(
                await asyncio.gather(
                    *(client.post("/things", json={"name": "one"}, headers=key) for _ in range(100))
                )
            )

    answers = asyncio.run(storm())
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["id"] for answer in answers} == set(made(service))
    assert len(made(service)) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None"] + ["true"] * 99


def test_without_a_key_every_post_counts(service: Service) -> None:
    with service.client() as client:
        one, other = post(client, None), post(client, None)
    assert one.status_code == other.status_code == 202
    assert sorted(made(service)) == sorted([one.json()["id"], other.json()["id"]])


def test_a_key_belongs_to_one_request(service: Service) -> None:
    with service.client() as client:
        assert post(client).status_code == 202
        problem(post(client, name="two"), 422)
        problem(post(client, path="/others"), 422)
        problem(client.post("/things?x=1", json={"name": "one"}, headers={"Idempotency-Key": "k"}), 422)
        assert post(client).headers["idempotent-replayed"] == "true"
    assert len(made(service)) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed", "caf\u00e9".encode("latin-1")])
def test_what_is_no_key(service: Service, key: str) -> None:
    with service.client() as client:
        document = problem(post(client, key), 422)
    assert document["errors"][0]["pointer"] == "header:Idempotency-Key"


@pytest.mark.parametrize(("fault", "status"), [({"fail": True}, 409), ({"crash": True}, 500)])
def test_what_failed_may_be_tried_again(service: Service, fault: dict[str, Any], status: int) -> None:
    with service.client() as client:
        problem(post(client, **fault), status)
        assert made(service) == []
        assert service.sql("SELECT * FROM idempotent_replies") == []
        client.post("/mend")
        again = post(client, **fault)
        assert again.status_code == 202
        assert "idempotent-replayed" not in again.headers
    assert made(service) == [again.json()["id"]]


def leave_claim(service: Service, age: float) -> None:
    """A claim as a process leaves it that is killed at work, on the request that `post` makes."""
    with service.client() as client:
        post(client)
    query = "UPDATE idempotent_replies SET status = NULL, body = NULL, created = ?"
    service.sql(query, time.time() - age)
    service.sql("DELETE FROM datasets")


def test_the_claim_of_a_killed_process_is_taken_over(service: Service) -> None:
    leave_claim(service, 61)
    with service.client() as client:
        answer = post(client)
    assert answer.status_code == 202
    assert "idempotent-replayed" not in answer.headers
    assert made(service) == [answer.json()["id"]]


def test_a_fresh_claim_is_waited_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.3)
    leave_claim(service, 50)
    with service.client() as client:
        problem(post(client), 409)
    assert made(service) == []


def test_who_lost_its_claim_leaves_nothing(service: Service) -> None:
    with service.client() as client:
        problem(post(client, lose=True), 409)
    assert made(service) == []
    assert len(service.sql("SELECT * FROM idempotent_replies WHERE status IS NULL")) == 1


def test_old_replies_are_forgotten(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path), extend) as service, service.client() as client:
        post(client, "old")
        post(client, "new")
        week = idempotency.KEPT_SECONDS
        query = "UPDATE idempotent_replies SET created = created - ? WHERE key = 'old'"
        service.sql(query, week + 1)
    with serve(settings_for(tmp_path), extend) as service:
        assert service.sql("SELECT key FROM idempotent_replies") == [("new",)]
