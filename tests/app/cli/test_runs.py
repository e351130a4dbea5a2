"""`pada runs ...` against a real service whose executor is off: runs stay in the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.cli.runs import runs
from app.errors import PadaError
from tests.app.api.http_service import Service, serve, settings_for, upload


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home")) as running:
        yield running


def start_run(service: Service) -> str:
    with service.client() as client:
        dataset = upload(client).json()["id"]
        config = {"task": "exact_match", "loop": {"method": "vanilla"}}
        answer = client.post("/v1/runs", json={"config": config, "dataset": dataset})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])


def call(service: Service, *arguments: str) -> str:
    """What a command prints; its errors are raised."""
    done = CliRunner().invoke(runs, [*arguments, "--server", service.url], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_runs_are_listed_shown_and_steered(service: Service) -> None:
    first, second = start_run(service), start_run(service)
    lines = call(service, "list").splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[second, "queued"], [first, "queued"]]
    assert "vanilla" in lines[1]
    shown: dict[str, Any] = json.loads(call(service, "show", first))
    assert (shown["id"], shown["status"]) == (first, "queued")
    assert call(service, "pause", first).startswith(f"{first}: paused")
    assert call(service, "resume", first).startswith(f"{first}: queued")
    assert call(service, "cancel", first).startswith(f"{first}: cancelled")
    assert [run["id"] for run in json.loads(call(service, "list", "--status", "queued", "--json"))] == [
        second
    ]


@pytest.mark.parametrize("name", ["nope", "0" * 32, "<b>"])
def test_a_run_that_is_not_there_is_said_to_be_missing(service: Service, name: str) -> None:
    with pytest.raises(PadaError, match=f"There is no run '{name}'"):
        call(service, "show", name)


def test_a_paused_run_goes_on_with_a_larger_budget(service: Service) -> None:
    run = start_run(service)
    call(service, "pause", run)
    call(service, "resume", run, "--max-calls", "500")
    ((budget,),) = service.sql("select json_extract(config, '$.budget') from runs where id = ?", run)
    assert json.loads(budget) == {"max_usd": None, "max_calls": 500, "max_tokens": None}
    with service.client() as client:
        for body, status in (
            ({"budget": {"max_calls": -1}}, 422),
            ({"budget": {"max_calls": 9}}, 409),
            ({}, 202),
        ):
            assert client.post(f"/v1/runs/{run}/resume", json=body).status_code == status


def test_all_pages_are_listed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {start_run(service) for _ in range(3)}
    whole = call(service, "list", "--json")
    asked = httpx.Client.get

    def in_twos(client: httpx.Client, url: str, *, params: dict[str, Any]) -> httpx.Response:
        return asked(client, url, params=params | {"limit": 2})

    monkeypatch.setattr(httpx.Client, "get", in_twos)
    assert json.loads(call(service, "list", "--json")) == json.loads(whole)
    assert {run["id"] for run in json.loads(whole)} == made


def test_what_cannot_be_done_is_one_error(service: Service, tmp_path: Path) -> None:
    run = start_run(service)
    with pytest.raises(PadaError, match="0000"):
        call(service, "cancel", "0" * 32)
    with pytest.raises(PadaError, match="There is nothing at"):
        call(service, "show", "keys/../x")
    with pytest.raises(PadaError, match="review"):
        call(service, "review", run, "--approve")
    for arguments, said in (
        (["review", run], "does not wait for a review"),
        (["review", run, "--answer", str(tmp_path / "none.json")], "cannot be read"),
    ):
        done = CliRunner().invoke(runs, [*arguments, "--server", service.url])
        assert done.exit_code == 1
        assert said in done.stderr


def test_a_service_that_is_not_there_is_one_error() -> None:
    with pytest.raises(PadaError, match="no pada service answers there"):
        CliRunner().invoke(runs, ["list", "--server", "http://127.0.0.1:9"], catch_exceptions=False)


def test_a_cap_that_is_no_number_or_has_no_price_is_refused(service: Service) -> None:
    run = start_run(service)
    call(service, "pause", run)
    done = CliRunner().invoke(runs, ["resume", run, "--max-usd", "nan", "--server", service.url])
    assert (done.exit_code, "finite number" in done.output) == (1, True)
    teacher = {"base_url": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": ""}
    service.sql("update runs set config = json_set(config, '$.teacher', json(?))", json.dumps(teacher))
    with service.client() as client:
        answer = client.post(f"/v1/runs/{run}/resume", json={"budget": {"max_usd": 5}})
        assert (answer.status_code, "no price for m" in answer.text) == (422, True)
        assert client.get(f"/v1/runs/{run}").json()["status"] == "paused"
