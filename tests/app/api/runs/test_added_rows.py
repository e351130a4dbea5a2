"""Rows that people add over HTTP: the verdict at once, the rows of the run, who may, and what happens to them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from graphs import person_rows
from graphs.run_paths import RunPaths
from tests.app.api.http_service import Service, problem, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import HOSTILE, open_page, signed_in, token_in
from tests.app.engine.rows_of_people import LEAK, NEW, begin_run
from trainer.artifacts import write_jsonl

RUN = "abcdef0123456789abcdef0123456789"
ROWS = f"/v1/runs/{RUN}/samples"
TEXTS = {
    "reason": "",
    "score": '{"round": 0, "metric": "accuracy", "validation": 0.5, "ci95": [0.4, 0.6], "promoted": true, "reason": ""}',
}


def put_run(service: Service, owner: str = "", status: str = "paused") -> RunPaths:
    """A run of the service that waits between two rounds."""
    paths, config = begin_run(service.settings.runs / RUN)
    service.sql(
        "insert into runs (id, owner, config, dataset, status, reason, waiting_for, view, token, last_event, created) "
        "values (?, ?, ?, null, ?, '', null, ?, 0, 0, ?)",
        RUN, owner, config.model_dump_json(), status, f'{{"scores": [{TEXTS["score"]}]}}', time.time(),
    )  # fmt: skip
    return paths


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home")) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as made:
        yield made


def test_a_row_is_added_once_shown_and_taken_back(service: Service, client: httpx.Client) -> None:
    paths = put_run(service)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post(ROWS, json=NEW), range(4)))
    assert {answer.status_code for answer in answers} == {201}
    added = answers[0].json()
    assert all(answer.json() == added for answer in answers)
    assert (added["sample"]["verdict"], added["sample"]["origin"], added["sample"]["round"]) == (
        "waiting",
        "person",
        0,
    )
    assert added["next"].startswith("The next round of this run")
    shown = client.get(ROWS, params={"origin": "person"}).json()["items"]
    assert shown == [added["sample"]] == client.get(ROWS, params={"verdict": "waiting"}).json()["items"]
    assert client.get(answers[0].headers["location"]).json()["sample"] == added["sample"]
    assert "compared with a row that a person added" in paths.test_access.read_text()

    place = f"{ROWS}/{added['id']}"
    assert client.delete(place).status_code == 204
    problem(client.delete(place), 404)
    assert client.get(ROWS).json()["items"] == []


def test_a_row_that_the_checks_reject_is_kept_with_its_verdict(
    service: Service, client: httpx.Client
) -> None:
    put_run(service)
    sample = client.post(ROWS, json=LEAK).json()["sample"]
    assert (sample["verdict"], sample["evidence"]["id"]) == ("leak", "validation-0")
    assert client.get(ROWS, params={"verdict": "leak"}).json()["items"] == [sample]


def test_a_row_that_a_round_has_taken_cannot_be_taken_back(service: Service, client: httpx.Client) -> None:
    paths = put_run(service)
    added = client.post(ROWS, json=NEW).json()
    (taken,) = person_rows.take(paths, 1)
    assert "Round 1" in problem(client.delete(f"{ROWS}/{added['id']}"), 409)["detail"]
    assert [row["round"] for row in client.get(ROWS).json()["items"]] == [0], "not checked yet, and not gone"
    decided = taken.as_new_row().model_copy(
        update={"round": 1, "batch": "r1-b0", "attempt": 1, "verdict": "accepted"}
    )
    write_jsonl(paths.round(1).rows, [decided])
    assert [row["verdict"] for row in client.get(ROWS).json()["items"]] == ["accepted"]


def test_of_a_run_that_has_ended_it_is_said_honestly(service: Service, client: httpx.Client) -> None:
    put_run(service, status="finished")
    assert client.post(ROWS, json=NEW).json()["next"].startswith("This run is finished. The row is kept")
    client.post(ROWS, json=LEAK)
    place = f"/runs/{RUN}/rows.jsonl?origin=person&verdict=waiting"
    assert place.replace("&", "&amp;") in open_page(
        client, f"/runs/{RUN}/rows?origin=person&verdict=waiting"
    ).replace("verdict=waiting&amp;origin=person", "origin=person&amp;verdict=waiting")
    (row,) = (json.loads(line) for line in client.get(place).text.splitlines())
    assert row == NEW | {"id": person_rows.row_id(**NEW), "origin": "person", "round": 0, "batch": ""}, (
        "as train rows"
    )


def test_what_cannot_be_added(service: Service, client: httpx.Client) -> None:
    paths = put_run(service)
    for row in ({}, NEW | {"completion": ""}, NEW | {"more": 1}, NEW | {"prompt": "x" * 100_001}):
        problem(client.post(ROWS, json=row), 422)
    for sign in ("\\ud800", "\\u0000"):
        problem(client.post(ROWS, content=f'{{"prompt": "a{sign}", "completion": "x"}}'.encode()), 422)
    problem(client.post(ROWS.replace("a", "b"), json=NEW), 404)
    problem(client.delete(f"{ROWS}/person-000000000000"), 404)
    problem(client.delete(f"{ROWS}/..%2F..%2Fconfig"), 404)
    paths.data_report.unlink()
    assert "has not read its rows" in problem(client.post(ROWS, json=NEW), 409)["detail"]


def test_who_may_add_and_remove(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path / "home", auth="on")) as service:
        (owner, key), (_, other), (_, reader) = (
            make_key(service, scope) for scope in ("write", "write", "read")
        )
        put_run(service, owner)
        with service.client(other) as stranger:
            problem(stranger.post(ROWS, json=NEW), 404)
        with service.client(reader) as looking:
            problem(looking.post(ROWS, json=NEW), 403)
            problem(looking.delete(f"{ROWS}/person-000000000000"), 403)
        with signed_in(service, key) as browser:
            shown = open_page(browser, f"/runs/{RUN}/playground?row=validation-0&ask=1")
            assert "This input is a validation row." in shown
            form = {"prompt": HOSTILE, "completion": "refund"}
            assert browser.post(f"/runs/{RUN}/playground/row", data=form).status_code == 403, (
                "a token is missing"
            )
            form |= {"token": token_in(shown), "prompt": NEW["prompt"].replace("\n", "\r\n")}
            added = browser.post(f"/runs/{RUN}/playground/row", data=form).text
            assert '<span class="tag waiting">' in added
            name = person_rows.row_id(**NEW)
            assert name in open_page(browser, f"/runs/{RUN}/rows?origin=person")
            unstorable = browser.post(f"/runs/{RUN}/playground/row", data=form | {"prompt": "a\0b"})
            assert "The row cannot be used. prompt: " in unstorable.text
            hostile = browser.post(f"/runs/{RUN}/playground/row", data=form | {"prompt": HOSTILE}).text
            assert "<script>" not in hostile
            place = f"/runs/{RUN}/rows/{name}/remove"
            assert browser.post(place).status_code == 403
            assert browser.post(place, data={"token": form["token"]}).status_code == 303
            assert name not in open_page(browser, f"/runs/{RUN}/rows")
