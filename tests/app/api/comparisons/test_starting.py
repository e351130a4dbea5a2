"""`POST /v1/comparisons` and what can be done with a comparison that the service runs, with its executor off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.compare.spec import Comparison
from tests.app.api.comparisons.folders import finish, say, started
from tests.app.api.http_service import Service, problem, serve, settings_for, upload
from tests.app.api.keys.test_auth import make_key

CONFIG: dict[str, Any] = {
    "task": "exact_match",
    "student": {"model": "builtin:smollm2-135m"},
    "teacher": {"base_url": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": ""},
    "loop": {"rounds": 2, "synthetic_per_round": 10},
    "budget": {"max_calls": 50},
    "compare": {"methods": ["random", {"name": "long", "loop": {"rounds": 5}}], "seeds": [0, 3]},
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home", max_unfinished=3)) as running:
        yield running


def post(client: httpx.Client, dataset: str, headers: Any = None, **changes: Any) -> httpx.Response:
    body = {"dataset": dataset, "config": {**CONFIG, **changes}}
    return client.post("/v1/comparisons", json=body, headers=headers)


def started_one(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    answer = post(client, upload(client, "tickets").json()["id"], **changes)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/comparisons/{document['id']}"
    return document


def test_a_comparison_is_queued_and_shown_but_is_no_run(service: Service) -> None:
    with service.client() as client:
        made = started_one(client)
        assert (made["name"], made["status"], made["total"]) == ("tickets", "queued", 6)
        assert made["methods"] == ["vanilla", "random", "long"]
        shown = client.get(f"/v1/comparisons/{made['id']}").json()
        assert [run["rounds"] for run in shown["runs"]] == [0, 0, 2, 2, 5, 5]
        assert [each["id"] for each in client.get("/v1/comparisons").json()["items"]] == [made["id"]]
        assert client.get("/v1/runs").json()["items"] == []
        for path in ("", "/report", "/events", "/artifacts"):
            problem(client.get(f"/v1/runs/{made['id']}{path}"), 404)
        problem(client.post(f"/v1/runs/{made['id']}/cancel"), 404)
        assert client.get("/v1/fine_tuning/jobs").json()["data"] == []
        assert client.get("/v1/models").json()["data"] == []
        data = service.sql("select dataset from runs")[0][0]
        assert (
            "has not ended uses these rows" in problem(client.delete(f"/v1/datasets/{data}"), 409)["detail"]
        )


def test_what_is_stored_is_what_the_shell_would_run(service: Service) -> None:
    with service.client() as client:
        started_one(client)
    (stored,) = service.sql("select config from runs")[0]
    comparison = Comparison.read(json.loads(stored))
    assert comparison.to_json() == json.loads(stored)
    assert [(job, config.seed) for job, config in comparison.configs.items()] == [
        ((method, seed), seed) for method in ("vanilla", "random", "long") for seed in (0, 3)
    ]
    long = comparison.configs["long", 3]
    assert (long.loop.method, long.loop.rounds, long.loop.patience) == ("pada", 5, 5), "through all rounds"
    assert comparison.base.loop.method == "vanilla"


def test_a_comparison_sent_twice_with_one_key_is_started_once(service: Service) -> None:
    with service.client() as client:
        dataset = upload(client).json()["id"]
        ids = {post(client, dataset, {"Idempotency-Key": "first"}).json()["id"] for _ in range(2)}
        assert len(ids) == 1
    assert service.sql("select count(*) from runs") == [(1,)]


def test_it_is_paused_resumed_with_another_budget_and_cancelled(service: Service) -> None:
    with service.client() as client:
        path = f"/v1/comparisons/{started_one(client)['id']}"
        problem(client.post(f"{path}/resume", json={"budget": {"max_calls": 9}}), 409)
        assert client.post(f"{path}/pause").json()["status"] == "paused"
        assert client.get(path).json()["waiting_for"] == "user"
        resumed = client.post(f"{path}/resume", json={"budget": {"max_calls": 900}})
        assert resumed.json()["status"] == "queued"
        stored = json.loads(service.sql("select config from runs")[0][0])
        budgets = [config["budget"]["max_calls"] for config in (stored["base"], *stored["methods"].values())]
        assert budgets == [900] * 4
        assert client.post(f"{path}/cancel").json()["status"] == "cancelled"
        assert "it cannot be resumed" in problem(client.post(f"{path}/resume"), 409)["detail"]
    told = [json.loads(data)["status"] for (data,) in service.sql("select data from run_events order by id")]
    assert told == ["queued", "paused", "queued", "cancelled"]


def test_its_runs_are_read_from_its_folder(service: Service) -> None:
    with service.client() as client:
        made = started_one(client, compare={"methods": ["random", "pada"], "seeds": [0, 1]})
        path, folder = f"/v1/comparisons/{made['id']}", service.settings.home / "comparisons" / made["id"]
        say(folder, "pada", 0, started(), {"type": "stage", "name": "fine_tune", "state": "started"})
        service.sql("update runs set status = 'running'")
        assert client.get(path).json()["runs"][4]["stage"] == "fine_tune"
        service.sql("update runs set status = 'paused'")
        resting = client.get(path).json()["runs"][4]
        assert (resting["status"], resting["stage"]) == ("paused", None), "nobody works on it"
        finish(folder)
        assert client.get(path).json()["finished"]
        assert client.get(f"{path}/compare.html").status_code == 200


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"compare": {"methods": []}}, "config: compare.methods: "),
        ({"compare": {"methods": ["best"]}}, "config: in method best: loop.method"),
        ({"compare": {"methods": ["pada"], "seeds": list(range(60))}}, "120 runs"),
        ({"compare": {"methods": [{"name": "../x", "loop": {}}]}}, "compare.methods.0.name"),
        ({"compare": {"methods": [{"name": "x", "loop": {"rounds": 900}}]}}, "config.loop.rounds: 900"),
        ({"compare": None}, "compare"),
        ({"output": "/tmp/x"}, "config.output"),
        ({"task": "module:Class"}, "class of your own"),
        ({"student": {"model": "/etc"}}, "PADA_ALLOWED_PATHS"),
        ({"data": {"train": "/etc/passwd"}}, "only `limit` may be given"),
        ({"loop": {"review": True}}, "does not wait for a review"),
    ],
)
def test_what_a_run_may_not_a_comparison_may_not(
    service: Service, changes: dict[str, Any], fault: str
) -> None:
    with service.client() as client:
        detail = problem(post(client, upload(client).json()["id"], **changes), 422)["detail"]
    assert fault in detail
    assert service.sql("select count(*) from runs") == [(0,)]
    assert not (service.settings.home / "comparisons").exists()


def test_a_comparison_counts_as_an_unfinished_run(service: Service) -> None:
    with service.client() as client:
        dataset = upload(client).json()["id"]
        for _ in range(3):
            assert post(client, dataset).status_code == 202
        assert "3 unfinished runs" in problem(post(client, dataset), 429)["detail"]


def test_keys_start_on_their_own_data_and_touch_their_own_comparisons(tmp_path: Path) -> None:
    with serve(settings_for(tmp_path / "home", auth="on")) as service:
        _, key = make_key(service, "write")
        _, other = make_key(service, "write")
        _, reader = make_key(service, "read")
        _, admin = make_key(service, "admin")
        with service.client(key) as client:
            made = started_one(client)
        data = service.sql("select dataset from runs")[0][0]
        path = f"/v1/comparisons/{made['id']}"
        with service.client(other) as client:
            assert "no data set" in problem(post(client, data), 404)["detail"]
            problem(client.get(path), 404)
            problem(client.post(f"{path}/cancel"), 404)
            assert client.get("/v1/comparisons").json()["items"] == []
        with service.client(reader) as client:
            problem(post(client, data), 403)
            problem(client.post(f"{path}/cancel"), 403)
        with service.client() as client:
            problem(post(client, data), 401)
        with service.client(admin) as client:
            assert client.get(path).json()["status"] == "queued"
            assert client.post(f"{path}/cancel").json()["status"] == "cancelled"
