"""API keys: who gets in, what they may do, and what is kept of them."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.api.app import create_app
from app.api.keys.cache import SECONDS
from app.api.keys.rate_limit import Rates
from app.cli.keys import keys
from app.db import api_keys as key_repository
from app.db.api_keys import Scope
from app.db.engine import make_engine, make_sessions
from app.errors import ConfigError, NotFound
from tests.app.api.http_service import Service, problem, serve, settings_for, upload


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home", auth="on")) as running:
        yield running


def make_key(service: Service, scope: Scope) -> tuple[str, str]:
    """Id and text."""

    async def make() -> tuple[str, str]:
        engine = make_engine(service.settings.database)
        try:
            async with make_sessions(engine).begin() as session:
                row, text = await key_repository.create(session, f"{scope} key", scope)
                return row.id, text
        finally:
            await engine.dispose()

    return asyncio.run(make())


@pytest.mark.parametrize(
    "header", ["", "Bearer pada_" + "x" * 43, "Basic cGFkYTpwYWRh", "Bearer", "nonsense"]
)
def test_without_a_key_that_counts_nobody_gets_in(service: Service, header: str) -> None:
    with service.client() as client:
        answer = client.get("/v1/datasets", headers={"Authorization": header} if header else {})
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_scopes_include_those_before_them(service: Service) -> None:
    made = {scope: make_key(service, scope)[1] for scope in key_repository.SCOPES}
    with service.client(made["read"]) as client:
        assert client.get("/v1/datasets").status_code == 200
        assert "write" in problem(upload(client), 403)["detail"]
    for scope in ("write", "admin"):
        with service.client(made[scope]) as client:
            assert upload(client).status_code == 201
            assert client.get("/v1/datasets").status_code == 200


def test_each_key_sees_its_own_and_admin_sees_all(service: Service) -> None:
    one, other, admin = (make_key(service, scope)[1] for scope in ("write", "write", "admin"))
    with service.client(one) as client:
        made = upload(client).json()["id"]
    with service.client(other) as client:
        assert client.get("/v1/datasets").json()["items"] == []
        problem(client.get(f"/v1/datasets/{made}"), 404)
        problem(client.delete(f"/v1/datasets/{made}"), 404)
    with service.client(admin) as client:
        assert [item["id"] for item in client.get("/v1/datasets").json()["items"]] == [made]
        assert client.delete(f"/v1/datasets/{made}").status_code == 204


def test_idempotency_keys_of_two_owners_are_two(service: Service) -> None:
    answers = []
    for _ in range(2):
        with service.client(make_key(service, "write")[1]) as client:
            answers.append(upload(client, headers={"Idempotency-Key": "same"}))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert "idempotent-replayed" not in answers[1].headers


def test_only_a_digest_is_kept(service: Service) -> None:
    _, text = make_key(service, "write")
    with service.client(text) as client:
        assert upload(client, headers={"Idempotency-Key": "k"}).status_code == 201
    assert re.fullmatch(r"pada_[0-9A-Za-z_-]{43}", text)
    [(digest,)] = service.sql("SELECT digest FROM api_keys")
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    for path in service.settings.home.rglob("*"):
        if path.is_file():
            assert text.encode() not in path.read_bytes(), path


def test_a_revoked_key_counts_no_more(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    identifier, text = make_key(service, "read")
    monkeypatch.setenv("PADA_HOME", str(service.settings.home))
    with service.client(text) as client:
        assert client.get("/v1/datasets").status_code == 200
        assert CliRunner().invoke(keys, ["revoke", identifier]).exit_code == 0
        problem(client.post("/v1/datasets"), 401)
        time.sleep(SECONDS)  # by another process than the service: it may read for that much longer
        problem(client.get("/v1/datasets"), 401)


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_HOME", str(tmp_path / "new"))
    made = CliRunner().invoke(keys, ["create", "--name", "a person", "--scope", "admin"])
    assert made.exit_code == 0, made.output
    text = made.stdout.splitlines()[-1]
    assert re.fullmatch(r"pada_[0-9A-Za-z_-]{43}", text)
    [line] = CliRunner().invoke(keys, ["list"]).stdout.splitlines()
    assert "admin" in line
    assert "a person" in line
    assert text not in line
    assert CliRunner().invoke(keys, ["revoke", line.split()[0]]).exit_code == 0
    assert "revoked" in CliRunner().invoke(keys, ["list"]).stdout
    again = CliRunner().invoke(keys, ["revoke", line.split()[0]])
    assert isinstance(again.exception, NotFound)
    assert CliRunner().invoke(keys, ["create", "--name", "x", "--scope", "root"]).exit_code == 2


def test_without_keys_only_this_machine_s_own_programs_get_in(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path)) as service, service.client() as client:
        assert client.get("/v1/datasets").status_code == 200
        assert client.get("/v1/datasets", headers={"Origin": service.url}).status_code == 200
        problem(client.get("/v1/datasets", headers={"Origin": "http://evil.example"}), 403)
        problem(client.get("/v1/datasets", headers={"Host": "rebound.example"}), 403)


def test_keys_cannot_be_off_where_others_reach_the_service(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PADA_AUTH"):
        create_app(settings_for(tmp_path, auth="off", host="0.0.0.0"))
    assert settings_for(tmp_path, host="0.0.0.0").keys_required


def test_too_many_requests_of_one_key(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path, auth="on", requests_per_minute=3)) as service:
        one, other = make_key(service, "read")[1], make_key(service, "read")[1]
        with service.client(one) as client:
            assert [client.get("/v1/datasets").status_code for _ in range(3)] == [200, 200, 200]
            refused = client.get("/v1/datasets")
            problem(refused, 429)
            assert 1 <= int(refused.headers["retry-after"]) <= 20
        with service.client(other) as client:
            assert client.get("/v1/datasets").status_code == 200


def test_buckets_fill_up_again_and_are_forgotten() -> None:
    now = [0.0]
    rates = Rates(2, clock=lambda: now[0])
    assert [rates.take("a"), rates.take("a")] == [0, 0]
    assert rates.take("a") == 30
    now[0] = 29.0
    assert rates.take("a") == pytest.approx(1)
    now[0] = 30.0
    assert rates.take("a") == 0
    now[0] = 200.0
    assert rates.take("b") == 0
    assert list(rates._buckets) == ["b"]
