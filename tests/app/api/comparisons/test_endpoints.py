"""`/v1/comparisons`: what is read from folders, while they change, and who sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.comparisons.folders import (
    METHODS,
    accept,
    add_comparison,
    finish,
    say,
    scored,
    started,
    waits,
)
from tests.app.api.http_service import Service, problem, serve, settings_for
from tests.app.api.keys.test_auth import make_key


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home", comparisons=[tmp_path / "runs"])) as running:
        yield running


def listed(service: Service, key: str = "") -> list[dict[str, Any]]:
    with service.client(key) as client:
        items: list[dict[str, Any]] = client.get("/v1/comparisons").raise_for_status().json()["items"]
    return items


def shown(service: Service, name: str) -> dict[str, Any]:
    with service.client() as client:
        document: dict[str, Any] = client.get(f"/v1/comparisons/{name}").raise_for_status().json()
    return document


def test_a_comparison_is_followed_from_its_first_minute_to_its_results(
    service: Service, tmp_path: Path
) -> None:
    folder = add_comparison(tmp_path / "runs" / "tickets")
    (item,) = listed(service)
    assert (item["name"], item["methods"], item["ended"], item["total"]) == ("tickets", METHODS, 0, 6)
    assert [run["status"] for run in shown(service, item["id"])["runs"]] == [None] * 6

    say(folder, "pada", 0, started(), {"type": "stage", "name": "fine_tune", "state": "started"})
    say(folder, "pada", 0, scored(0, 0.5), {"type": "spent", "calls": 7, "usd": 0.25, "tokens": 900})
    runs = {(run["method"], run["seed"]): run for run in shown(service, item["id"])["runs"]}
    at_work = runs["pada", 0]
    assert (at_work["status"], at_work["stage"], at_work["round"], at_work["rounds"]) == (
        "running", "fine_tune", 0, 2,
    )  # fmt: skip
    assert (at_work["calls"], at_work["usd"]) == (7, 0.25)
    assert at_work["curve"] == [{"round": 0, "accepted": 0, "validation": 0.5}]

    accept(folder, "pada", 0, 1, rows=24)
    say(folder, "pada", 0, scored(1, 0.75), waits())
    whole = shown(service, item["id"])
    waiting = next(run for run in whole["runs"] if run["method"] == "pada")
    assert (waiting["waiting"], waiting["stage"]) == (True, None)
    assert waiting["curve"][1] == {"round": 1, "accepted": 24, "validation": 0.75}
    assert (whole["ended"], whole["finished"], whole["results"]) == (1, False, None)

    (folder / "pada" / "seed-0" / "events.jsonl").unlink()
    assert all(run["status"] is None for run in shown(service, item["id"])["runs"]), "it began anew"

    results = finish(folder)
    whole = shown(service, item["id"])
    assert whole["finished"]
    assert whole["results"] == results.model_dump(mode="json")


def test_the_files_of_a_comparison_are_read_and_no_others(service: Service, tmp_path: Path) -> None:
    folder = add_comparison(tmp_path / "runs" / "tickets")
    (item,) = listed(service)
    path = f"/v1/comparisons/{item['id']}"
    with service.client() as client:
        assert "no results yet" in problem(client.get(f"{path}/compare.html"), 404)["detail"]
        finish(folder)
        page = client.get(f"{path}/compare.html")
        assert (page.status_code, "sandbox" in page.headers["content-security-policy"]) == (200, True)
        (folder / "pada" / "seed-0").mkdir(parents=True)
        (folder / "pada" / "seed-0" / "report.html").write_text("<!doctype html><p>one run")
        assert "one run" in client.get(f"{path}/pada/0/report.html").text
        for other in ("pada/1", "pada/7", "nope/0", "..%2f..%2fetc/0"):
            problem(client.get(f"{path}/{other}/report.html"), 404)
        for name in ("nope", "0" * 32):
            assert "There is no comparison" in problem(client.get(f"/v1/comparisons/{name}"), 404)["detail"]


def test_folders_that_are_no_comparison_and_links_are_left_out(service: Service, tmp_path: Path) -> None:
    add_comparison(tmp_path / "elsewhere" / "secret")
    runs = tmp_path / "runs"
    (runs / "a run").mkdir(parents=True)
    (runs / "broken").mkdir()
    (runs / "broken" / "comparison.json").write_text('{"methods": ["../.."]}')
    (runs / "link").symlink_to(tmp_path / "elsewhere" / "secret")
    add_comparison(runs / "out", methods=["../../elsewhere"])
    add_comparison(service.settings.home / "comparisons" / "in home")
    assert [item["name"] for item in listed(service)] == ["in home"]


def test_a_key_sees_what_was_made_for_it_and_an_admin_everything(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", auth="on", comparisons=[tmp_path / "runs"])
    with serve(settings) as service:
        owner, key = make_key(service, "read")
        _, other = make_key(service, "write")
        _, admin = make_key(service, "admin")
        add_comparison(tmp_path / "runs" / "mine", owner=owner)
        add_comparison(tmp_path / "runs" / "nobody's")
        assert [item["name"] for item in listed(service, key)] == ["mine"]
        assert listed(service, other) == []
        both = listed(service, admin)
        assert {item["name"] for item in both} == {"mine", "nobody's"}
        hidden = next(item["id"] for item in both if item["name"] != "mine")
        with service.client(key) as client:
            problem(client.get(f"/v1/comparisons/{hidden}"), 404)
        with service.client() as client:
            problem(client.get("/v1/comparisons"), 401)
