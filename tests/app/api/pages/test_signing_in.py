"""Who sees which pages, and what a cookie is good for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import pytest

from app.api.keys.cookies import COOKIE, secret_of
from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import (
    RUN,
    add_run,
    open_page,
    signed_in,
    token_in,
)


def test_a_browser_without_a_key_is_led_to_the_sign_in(keyed: Service) -> None:
    with keyed.client(follow_redirects=False) as client:
        for path, wanted in (("/", ""), (f"/runs/{RUN}", f"?to=%2Fruns%2F{RUN}")):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in{wanted}")
        assert "API key" in open_page(client, "/sign-in")
        assert client.post("/sign-in", data={"key": "pada_wrong"}).status_code == 401
        for name in ("htmx.min.js", "page.css", "style.css"):
            assert client.get(f"/assets/{name}").status_code == 200
        open_page(client, "/assets/secret", 404)


@pytest.mark.parametrize(
    ("wanted", "opened"),
    [
        ("/runs/new?dataset=a&copy=b", "/runs/new?dataset=a&copy=b"),
        ("https://other.example/", "/"),
        ("//other.example/", "/"),
        ("/\\other.example", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("runs", "/"),
    ],
)
def test_signing_in_leads_to_the_page_that_was_asked_for_and_to_no_other_site(
    keyed: Service, wanted: str, opened: str
) -> None:
    _, key = make_key(keyed, "read")
    with keyed.client(follow_redirects=False) as client:
        form = client.get("/sign-in", params={"to": wanted}).text
        assert f'name="to" value="{escape(opened)}"' in form
        wrong = client.post("/sign-in", data={"key": "pada_wrong", "to": wanted})
        assert f'name="to" value="{escape(opened)}"' in wrong.text
        answer = client.post("/sign-in", data={"key": key, "to": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, opened)


def test_a_key_sees_its_own_runs_and_a_reader_has_no_buttons(keyed: Service) -> None:
    reader, reader_key = make_key(keyed, "read")
    writer, writer_key = make_key(keyed, "write")
    add_run(keyed, owner=reader, run="a" * 32)
    add_run(keyed, owner=writer, run="b" * 32)
    with signed_in(keyed, reader_key) as client:
        text = open_page(client, "/")
        assert "a" * 32 in text
        assert "b" * 32 not in text
        assert "<button>Cancel" not in open_page(client, f"/runs/{'a' * 32}")
        open_page(client, f"/runs/{'b' * 32}", 404)
        assert client.post(f"/runs/{'a' * 32}/cancel", data={"token": "x"}).status_code == 403
    with signed_in(keyed, writer_key) as client:
        token = token_in(open_page(client, f"/runs/{'b' * 32}"))
        assert client.post(f"/runs/{'b' * 32}/cancel", data={"token": token}).status_code == 303
        # the token of one key is of no use to another
        assert client.post(f"/runs/{'a' * 32}/cancel", data={"token": token}).status_code == 404


def test_a_cookie_reads_and_does_not_write_over_rest(keyed: Service) -> None:
    owner, key = make_key(keyed, "write")
    add_run(keyed, owner=owner)
    with signed_in(keyed, key) as client:
        assert client.get(f"/v1/runs/{RUN}").status_code == 200
        assert client.post(f"/v1/runs/{RUN}/cancel").status_code == 401


def test_forged_old_and_revoked_cookies_are_nobodys(keyed: Service) -> None:
    _, key = make_key(keyed, "read")
    with signed_in(keyed, key) as client:
        good = client.cookies[COOKIE]
        keyed.sql("update api_keys set revoked = 1")
        assert client.get("/").status_code == 303
    with keyed.client(follow_redirects=False, cookies={COOKIE: good[:-2] + "xx"}) as client:
        assert client.get("/").status_code == 303


def test_a_part_of_a_page_leads_the_whole_page_to_the_sign_in_and_back(keyed: Service) -> None:
    shown = f"{keyed.url}/runs/{RUN}?limit=2"
    with keyed.client(follow_redirects=False) as client:
        for method, path in (("get", f"/runs/{RUN}"), ("post", f"/runs/{RUN}/cancel")):
            part = client.request(method, path, headers={"HX-Request": "true", "HX-Current-URL": shown})
            assert part.headers["hx-redirect"] == f"/sign-in?to=%2Fruns%2F{RUN}%3Flimit%3D2"
            assert part.text == "", "nothing to put into the page"


def test_signing_out_forgets_the_cookie(keyed: Service) -> None:
    _, key = make_key(keyed, "read")
    with signed_in(keyed, key) as client:
        token = token_in(open_page(client, "/"))
        assert client.post("/sign-out").status_code == 403
        assert client.get("/").status_code == 200
        assert client.post("/sign-out", data={"token": token}).status_code == 303
        assert client.get("/").status_code == 303


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_another_sites_form_signs_nobody_in(keyed: Service, site: str) -> None:
    _, key = make_key(keyed, "read")
    with keyed.client() as client:
        answer = client.post("/sign-in", data={"key": key}, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_too_many_tries_are_told_when_to_come_back(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", auth="on", requests_per_minute=3)
    with serve(settings) as running, running.client() as client:
        answers = [client.post("/sign-in", data={"key": "pada_wrong"}) for _ in range(8)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_processes_that_start_at_once_share_one_whole_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(lambda _: secret_of(tmp_path), range(64)))
    assert len(secrets) == 1
    assert {len(secret) for secret in secrets} == {64}
    assert [path.name for path in tmp_path.iterdir()] == ["page.secret"]


def test_the_secret_is_the_users_own(keyed: Service) -> None:
    path = keyed.settings.home / "page.secret"
    assert path.stat().st_mode & 0o077 == 0
    assert len(path.read_text()) == 64
