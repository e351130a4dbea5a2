"""What a run's page shows while the run works: the loop, the charts, the events, and the budget."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.api.pages.watching import last_step, losses, nodes_of
from app.db.run_summary import RunSummary
from graphs.context import LoopSpec
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from graphs.state import NODES
from tests.app.api.http_service import Service
from tests.app.api.pages.browsing import HOSTILE, RUN, add_run, open_page, token_in
from tests.fakes import train_report
from trainer.artifacts import write_json
from trainer.progress import ProgressLog


def at_work(service: Service, **view: Any) -> Round:
    """A run whose second student is being trained."""
    add_run(service, "running")
    summary = RunSummary.read(json.loads(service.sql("select view from runs")[0][0]))
    now = summary.model_copy(update={"stage": "fine_tune", "round": 2, **view})
    service.sql("update runs set view = ?", now.model_dump_json())
    paths = RunPaths(service.settings.runs / RUN)
    for number in (0, 1):
        folder = paths.round(number).student
        folder.mkdir(parents=True)
        write_json(folder / "report.json", train_report(folder, 100 + number))
    here = Round(paths, 2)
    log = ProgressLog(here.paths.progress)
    log.write(stage="load")
    for step in (1, 2):
        log.write(
            stage="train", step=step, steps=9, loss=1 / step, learning_rate=0.001, tokens_per_second=812.0
        )
    return here


def test_the_node_at_work_is_lit_and_the_last_step_shown(service: Service) -> None:
    at_work(service)
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}")
    assert '<li aria-current="step">Fine tune</li>' in text
    assert text.count('aria-current="step"') == 1
    for part in ("2 of 9", "0.500", "0.001", "812"):
        assert f"<dd>{part}</dd>" in text


@pytest.mark.parametrize(
    ("loop", "left_out"),
    [
        (LoopSpec(), {"review", "review_rows"}),
        (LoopSpec(review=True), set()),
        (
            LoopSpec(review="rows", patterns=False),
            {"analyze_errors", "find_patterns", "draft_strategies", "review"},
        ),
        (
            LoopSpec(method="random"),
            {"analyze_errors", "find_patterns", "draft_strategies", "review", "review_rows"},
        ),
        (LoopSpec(method="vanilla"), set(NODES) - {"fine_tune", "evaluate", "gate", "finish"}),
    ],
)
def test_only_nodes_that_the_run_reaches_are_shown(loop: LoopSpec, left_out: set[str]) -> None:
    assert nodes_of(loop) == [node for node in NODES if node not in left_out]


def test_charts_grow_while_the_run_works(service: Service) -> None:
    here = at_work(service)
    service.sql(
        "insert into run_events (run, id, time, type, data) select ?, 1, created + 60, 'spent', ? from runs",
        RUN, json.dumps({"calls": 1, "usd": 0.1, "tokens": 10}),
    )  # fmt: skip
    with service.client() as client:
        first = client.get(f"/runs/{RUN}/charts").json()
        assert set(first["charts"]) == {"scores", "loss"}, "one point of spending is no line"
        assert first["over"] is False
        service.sql(
            "insert into run_events (run, id, time, type, data) select ?, 2, created + 120, 'spent', ? from runs",
            RUN, json.dumps({"calls": 2, "usd": 0.3, "tokens": 20}),
        )  # fmt: skip
        ProgressLog(here.paths.progress).write(stage="train", step=3, steps=9, loss=0.25)
        later = client.get(f"/runs/{RUN}/charts").json()["charts"]
    text = json.dumps(later["spending"])
    assert '"usd": 0.3' in text
    assert '"minutes": 2.0' in text
    assert '"rows": 101' in json.dumps(later["scores"])
    assert (
        json.dumps(later["loss"]).count('"step": ')
        >= 3
        > json.dumps(first["charts"]["loss"]).count('"step": 3')
    )


def test_the_step_of_a_trainer_that_does_something_else_is_not_shown(service: Service) -> None:
    here = at_work(service)
    assert [point.loss for point in losses(here)] == [1.0, 0.5]
    assert last_step(here) is not None
    ProgressLog(here.paths.progress).write(stage="predict", step=5, steps=40)
    assert last_step(here) is None


def test_charts_without_anything_to_draw_are_empty(service: Service) -> None:
    add_run(service, "finished")
    service.sql("update runs set view = '{}'")
    with service.client() as client:
        assert client.get(f"/runs/{RUN}/charts").json() == {"over": True, "charts": {}}
        assert client.get(f"/runs/{RUN}/patterns/charts").json() == {"over": True, "charts": {}}


def test_events_are_listed_the_newest_first(service: Service) -> None:
    add_run(service)
    for number in (1, 2):
        service.sql(
            "insert into run_events (run, id, time, type, data) values (?, ?, 0, 'trainer', ?)",
            RUN, number, json.dumps({"stage": "warning", "message": f"{number}: {HOSTILE}"}),
        )  # fmt: skip
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/events")
    assert "<script>alert" not in text
    assert text.index("message 2: ") < text.index("message 1: ")


def test_a_run_that_waits_for_its_budget_goes_on_with_another(service: Service) -> None:
    add_run(service, "paused")
    service.sql("update runs set waiting_for = 'budget', config = json_set(config, '$.budget', json(?))",
                '{"max_usd": 1.0, "max_calls": 10, "max_tokens": null}')  # fmt: skip
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}")
        assert "1,200 of 10" in text
        assert 'name="max_calls" type="number" min="0" step="1" placeholder="no cap" value="10"' in text
        assert "every 2s" not in text, "what a person types must not be replaced"
        form = {"token": token_in(text), "max_usd": "2.5", "max_calls": "", "max_tokens": "5000"}
        refused = client.post(f"/runs/{RUN}/budget", data=form | {"max_usd": "-1"})
        assert (refused.status_code, "max_usd" in refused.text) == (422, True)
        assert client.post(f"/runs/{RUN}/budget", data=form | {"token": "x"}).status_code == 403
        assert client.post(f"/runs/{RUN}/budget", data=form).status_code == 303
    ((status, config),) = service.sql("select status, config from runs")
    assert status == "queued"
    assert json.loads(config)["budget"] == {"max_usd": 2.5, "max_calls": None, "max_tokens": 5000}


def test_what_draws_charts_is_served_and_stays_out_of_this_process(service: Service) -> None:
    with service.client() as client:
        script = client.get("/assets/vega.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert "vegaEmbed" in script.text
        assert "data-charts" in client.get("/assets/charts.js").text
