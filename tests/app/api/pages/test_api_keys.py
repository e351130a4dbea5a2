"""`/keys`: an admin makes and revokes keys; nobody else comes near."""

from __future__ import annotations

import re

import pytest

from app.db.api_keys import Scope
from tests.app.api.http_service import Service
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import open_page, signed_in, token_in


def test_an_admin_makes_a_key_that_is_shown_once_and_works(keyed: Service) -> None:
    _, admin_key = make_key(keyed, "admin")
    with signed_in(keyed, admin_key) as client:
        token = token_in(open_page(client, "/keys"))
        made = client.post("/keys", data={"token": token, "name": "<i>ci", "scope": "read"})
        assert made.status_code == 200
        assert made.headers["cache-control"] == "no-store"
        (key,) = re.findall(r"<code>(pada_[\w-]+)</code>", made.text)
        listed = open_page(client, "/keys")
        assert "&lt;i&gt;ci" in listed
        assert key not in listed
    with keyed.client(key) as client:
        assert client.get("/v1/runs").status_code == 200
        assert client.post("/v1/runs", json={"config": {}}).status_code == 403
    assert keyed.sql("select count(*) from api_keys where digest = ?", key) == [(0,)]


def test_a_revoked_key_is_good_for_nothing(keyed: Service) -> None:
    _, admin_key = make_key(keyed, "admin")
    reader, reader_key = make_key(keyed, "read")
    with signed_in(keyed, admin_key) as client, signed_in(keyed, reader_key) as theirs:
        token = token_in(open_page(client, "/keys"))
        assert client.post(f"/keys/{reader}/revoke", data={"token": token}).status_code == 303
        assert "revoked" in open_page(client, "/keys")
        assert theirs.get("/").headers["location"] == "/sign-in"
        assert client.post(f"/keys/{reader}/revoke", data={"token": token}).status_code == 404
    with keyed.client(reader_key) as client:
        assert client.get("/v1/runs").status_code == 401


@pytest.mark.parametrize("scope", ["read", "write"])
def test_others_see_no_keys_and_make_none(keyed: Service, scope: Scope) -> None:
    owner, key = make_key(keyed, scope)
    with signed_in(keyed, key) as client:
        home = open_page(client, "/")
        assert 'href="/keys"' not in home
        assert "admin" in open_page(client, "/keys", 403)
        form = {"token": token_in(home), "name": "mine", "scope": "write"}
        assert client.post("/keys", data=form).status_code == 403
        assert client.post(f"/keys/{owner}/revoke", data=form).status_code == 403
    assert keyed.sql("select name, revoked from api_keys") == [(f"{scope} key", None)]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"token": "x"}, 403),
        ({"name": "  "}, 422),
        ({"name": "n" * 201}, 422),
        ({"name": "\x1b[2J"}, 422),
        ({"scope": "admin"}, 404),
        ({"scope": ""}, 404),
    ],
)
def test_a_form_that_is_not_ours_makes_no_key(keyed: Service, changes: dict[str, str], status: int) -> None:
    _, admin_key = make_key(keyed, "admin")
    with signed_in(keyed, admin_key) as client:
        form = {"token": token_in(open_page(client, "/keys")), "name": "ci", "scope": "read"}
        assert client.post("/keys", data=form | changes).status_code == status
    assert keyed.sql("select count(*) from api_keys") == [(1,)]


def test_a_key_does_not_write_here_by_its_cookie_alone(keyed: Service) -> None:
    _, admin_key = make_key(keyed, "admin")
    with signed_in(keyed, admin_key) as client:
        assert client.post("/keys", data={"name": "ci", "scope": "read"}).status_code == 403


def test_without_keys_nobody_makes_one_for_later(service: Service) -> None:
    with service.client() as client:
        home = open_page(client, "/new/yaml")
        assert 'href="/keys"' not in home
        open_page(client, "/keys", 404)
        form = {"token": token_in(home), "name": "later", "scope": "write"}
        assert client.post("/keys", data=form).status_code == 404
    assert service.sql("select count(*) from api_keys") == [(0,)]
