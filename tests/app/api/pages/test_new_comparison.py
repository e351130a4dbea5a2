"""`/comparisons/new`: from a data set or a run to a comparison that waits, and what a page does with one."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.compare.spec import Comparison
from tests.app.api.http_service import Service, serve, settings_for, upload
from tests.app.api.keys.test_auth import make_key
from tests.app.api.pages.browsing import (
    TABLE,
    config_of,
    hidden_fields,
    open_page,
    send_table,
    signed_in,
    take,
    token_in,
    token_of_start,
)

RUN_CONFIG: dict[str, Any] = {
    "task": "exact_match",
    "student": {"model": "builtin:smollm2-135m", "learning_rate": 0.003},
    "teacher": {"base_url": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": ""},
    "loop": {
        "method": "pada",
        "patterns": False,
        "rounds": 4,
        "synthetic_per_round": 30,
        "qc_threshold": 5.0,
    },
    "seed": 7,
}


def fields_in(text: str, **changes: Any) -> dict[str, Any]:
    """What a browser would send of the form, with changes."""
    checked = re.findall(r'name="methods" value="([^"]+)" checked', text)
    return {**hidden_fields(text), "methods": checked, **changes}


def stored(service: Service) -> Comparison:
    (config,) = service.sql("select config from runs where comparison is not null")[0]
    return Comparison.read(json.loads(config))


def test_from_a_data_set_to_a_comparison(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        assert "There is no data set yet" in open_page(client, "/comparisons/new")
        dataset = upload(client, "mine <script>alert(1)</script>").json()["id"]
        assert "mine &lt;script&gt;" in open_page(client, "/comparisons/new")
        text = client.get("/comparisons/new", params={"dataset": dataset}).text
        assert "Which methods should be compared?" in text
        assert 'value="active"' not in text, "there are no rows without answers"
        filled = fields_in(text) | {"task": "exact_match", "methods": ["random", "llm2llm"], "seeds": "3"}
        filled |= {"rounds": "2", "synthetic": "20", "max_usd": "", "max_calls": "70"}
        begun = client.post("/comparisons/new", data=filled | {"token": token_of_start(text)})
        assert begun.status_code == 200, begun.text
        assert "queued" in begun.text
        assert "<script>alert" not in begun.text
        assert "mine &lt;script&gt;" in open_page(client, "/comparisons")
    comparison = stored(service)
    assert list(comparison.configs) == [
        (method, seed) for method in ("vanilla", "random", "llm2llm") for seed in (0, 1, 2)
    ]
    assert {
        (config.loop.rounds, config.loop.synthetic_per_round, config.budget.max_calls)
        for config in comparison.configs.values()
    } == {(2, 20, 70)}


def test_with_the_settings_of_a_run(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        dataset = upload(client).json()["id"]
        run = client.post("/v1/runs", json={"dataset": dataset, "config": RUN_CONFIG}).json()["id"]
        assert f'href="/comparisons/new?run={run}"' in open_page(client, f"/runs/{run}")
        text = open_page(client, f"/comparisons/new?run={run}")
        filled = fields_in(text, methods=["pada", "auggpt"])
        assert (filled["rounds"], filled["synthetic"], filled["seeds"]) == ("4", "30", "2")
        begun = client.post("/comparisons/new", data=filled | {"token": token_of_start(text)})
        assert begun.status_code == 200, begun.text
    comparison = stored(service)
    assert [arm.name for arm in comparison.spec.methods] == ["vanilla", "pada", "auggpt"]
    pada = comparison.configs["pada", 1]
    assert (pada.student.learning_rate, pada.loop.qc_threshold) == (0.003, 5.0)
    assert (pada.loop.patterns, pada.loop.patience) == (True, 4), "what belongs to its method is left out"
    assert comparison.base.seed == 7, "the rows are drawn as the run draws them"
    with service.client() as client:
        for each in ("runs", "comparisons"):
            name = client.get(f"/v1/{each}").json()["items"][0]["id"]
            client.post(f"/v1/{each}/{name}/cancel")
        assert client.delete(f"/v1/datasets/{dataset}").status_code == 204
        plan = client.get("/comparisons/new/plan", params={"run": run}).text
    assert "The data set of this run was deleted." in plan
    assert str(service.settings.home) not in plan


def test_settings_that_cannot_be_come_back_with_the_reason(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        dataset = upload(client).json()["id"]
        text = client.get("/comparisons/new", params={"dataset": dataset}).text
        filled = fields_in(text) | {"token": token_of_start(text)}
        cases: list[tuple[dict[str, Any], str]] = [
            ({"methods": []}, "Methods: List should have at least 1 item"),
            ({"seeds": "0"}, "Seeds: Input should be greater than or equal to 1"),
            ({"rounds": "many"}, "Rounds: Input should be a valid integer"),
            ({"base_url": "ftp://x"}, "an address such as https://host/v1"),
            ({"api_key_env": "HOME"}, "may not go to https://api.openai.com/v1"),
            ({"seeds": "50", "methods": ["random", "pada"]}, "150 runs"),
        ]
        for changes, fault in cases:
            answer = client.post("/comparisons/new", data=filled | changes)
            assert (answer.status_code, fault in html.unescape(answer.text)) == (422, True), answer.text
            plan = client.get("/comparisons/new/plan", params=filled | changes)
            assert fault in html.unescape(plan.text), changes
        kept = client.post("/comparisons/new", data=filled | {"methods": ["auggpt"], "seeds": "0"}).text
        assert fields_in(kept)["methods"] == ["auggpt"], "what was filled in is still there"
    assert service.sql("select count(*) from runs") == [(0,)]


def test_a_config_is_changed_as_yaml_and_started(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        dataset = upload(client).json()["id"]
        text = client.get("/comparisons/new", params={"dataset": dataset}).text
        shown = client.get("/comparisons/new/yaml", params=fields_in(text)).text
        config = yaml.safe_load(html.unescape(config_of(shown)))
        assert config["compare"] == {"methods": ["pada", "random"], "seeds": [0, 1]}
        config |= {"task": "exact_match"}
        config["compare"]["methods"].append({"name": "no-qc", "loop": {"qc": False}})
        body = {"token": token_in(shown), "dataset": dataset, "config": yaml.safe_dump(config)}
        wrong = client.post("/comparisons/new/yaml", data=body | {"config": "task: exact_match"})
        assert (wrong.status_code, "compare: missing" in wrong.text) == (422, True)
        assert client.post("/comparisons/new/yaml", data=body).status_code == 200
    assert not stored(service).configs["no-qc", 0].loop.qc


@pytest.mark.student
def test_the_plan_says_what_a_comparison_takes(tmp_path: Path, student: Path) -> None:
    settings = settings_for(tmp_path / "home", allowed_paths=[student])
    with serve(settings) as service, service.client(follow_redirects=True) as client:
        page = take(client, send_table(client, "tickets.csv", TABLE.encode()))
        address = {"dataset": hidden_fields(page.text)["dataset"]}
        text = client.get("/comparisons/new", params=address).text
        fields = fields_in(text, seeds="2", rounds="3", synthetic="10", other_student=str(student))
        fields |= {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "", "max_usd": "", "max_calls": "100"}
        text = html.unescape(client.get("/comparisons/new/plan", params=fields, timeout=300).text)
    assert "A comparison can start." in text
    numbers = dict(re.findall(r"<div><dt>([^<]+)</dt>\s*<dd>([^<]+)</dd>", text))
    # vanilla, random and pada, each with two seeds; a baseline for each seed, and three rounds of two methods
    assert (numbers["Runs"], numbers["Trainings"]) == ("6", "14")
    assert int(numbers["Teacher calls"].replace(",", "")) > 0
    assert numbers["Cost"] == "unknown price"
    assert re.search(r"\d+ test rows and one seed show a true difference of \d+\.\d points", text)
    assert str(service.settings.home) not in text
    assert list((service.settings.home).glob("comparisons/*")) == []


def begin(client: httpx.Client, dataset: str) -> str:
    config = RUN_CONFIG | {"loop": {}, "compare": {"methods": ["random"]}}
    answer = client.post("/v1/comparisons", json={"dataset": dataset, "config": config})
    return str(answer.json()["id"])


def test_a_comparison_is_paused_resumed_and_cancelled(service: Service) -> None:
    with service.client(follow_redirects=True) as client:
        path = f"/comparisons/{begin(client, upload(client).json()['id'])}"
        text = open_page(client, path)
        assert f'action="{path}/pause"' in text
        token = {"token": token_in(text)}
        assert client.post(f"{path}/pause", data={}).status_code == 403, "no token"
        text = client.post(f"{path}/pause", data=token).text
        assert "paused" in text
        assert f'action="{path}/resume"' in text
        assert "queued" in client.post(f"{path}/resume", data=token).text
        service.sql("update runs set status = 'paused', waiting_for = 'budget', reason = 'It is spent.'")
        text = open_page(client, path)
        assert 'hx-get="' + path not in text, "what is typed must not be overwritten"
        assert f'action="{path}/resume"' not in text
        assert "queued" in client.post(f"{path}/budget", data=token | {"max_calls": "9"}).text
        text = client.post(f"{path}/cancel", data=token).text
        assert "cancelled" in text
        assert f'action="{path}' not in text
    assert stored(service).configs["random", 0].budget.max_calls == 9


def test_a_reader_starts_nothing_and_other_keys_data_cannot_be_used(keyed: Service) -> None:
    owner, key = make_key(keyed, "write")
    _, other = make_key(keyed, "write")
    _, reader = make_key(keyed, "read")
    with keyed.client(key) as client:
        dataset = upload(client, "mine").json()["id"]
        run = client.post("/v1/runs", json={"dataset": dataset, "config": RUN_CONFIG}).json()["id"]
        name = begin(client, dataset)
    with signed_in(keyed, reader) as client:
        assert "may read only" in open_page(client, "/comparisons/new")
        assert "/comparisons/new" not in open_page(client, "/comparisons")
        assert client.get("/comparisons/new/plan").status_code == 403
        assert client.post("/comparisons/new", data={"dataset": dataset}).status_code == 403
        assert client.post("/comparisons/new/yaml", data={"config": "task: mbpp"}).status_code == 403
    with signed_in(keyed, other) as client:
        text = open_page(client, "/comparisons/new")
        assert "mine" not in text
        assert run not in text
        for choice in ({"run": run}, {"dataset": dataset}):
            assert client.get("/comparisons/new", params=choice).status_code == 404
            posted = {
                **choice,
                "seeds": "1",
                "methods": "random",
                "token": token_in(open_page(client, "/new/yaml")),
            }
            assert client.post("/comparisons/new", data=posted).status_code == 404
            assert "There is no" in client.get("/comparisons/new/plan", params=posted).text
        assert client.post(f"/comparisons/{name}/cancel", data=posted).status_code == 404
    keyed.sql("update runs set owner = ?", owner)
    keyed.sql("update api_keys set scopes = '[\"read\"]' where id = ?", owner)
    with signed_in(keyed, key) as client:
        assert f'action="/comparisons/{name}' not in open_page(client, f"/comparisons/{name}"), "no buttons"
    assert keyed.sql("select count(*) from runs where status = 'queued'") == [(2,)]
