"""`/runs/{run}/review`: what a person changes, and what the run is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphs.rounds import Round
from graphs.rows import Pattern, Strategy
from graphs.run_paths import RunPaths
from tests.app.api.http_service import Service
from tests.app.api.pages.browsing import (
    HOSTILE,
    RUN,
    open_page,
    token_in,
    wait_for_review,
)
from trainer.artifacts import write_jsonl


def answered(service: Service) -> dict[str, Any]:
    ((status, answer),) = service.sql("select status, answer from runs")
    assert status == "queued"
    document: dict[str, Any] = json.loads(answer)
    return document


def test_patterns_are_reviewed_and_only_what_was_changed_is_an_edit(service: Service) -> None:
    wait_for_review(service, {"about": "patterns", "round": 1, "patterns": ["r1-p0"]})
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/review")
        assert "<script>alert" not in text
        filled = {"token": token_in(text), "r1-p0.name": HOSTILE, "r1-p0.instructions": "Two\r\nlines."}
        assert client.post(f"/runs/{RUN}/review", data=filled).status_code == 303
        assert "waits for no review" in open_page(client, f"/runs/{RUN}/review")
        assert client.post(f"/runs/{RUN}/review", data=filled).status_code == 409
    assert answered(service)["edit"] == {"r1-p0": {"instructions": "Two\nlines."}}


def test_a_pattern_is_vetoed_and_an_empty_text_refused(service: Service) -> None:
    wait_for_review(service, {"about": "patterns", "round": 1, "patterns": ["r1-p0"]})
    with service.client() as client:
        token = token_in(open_page(client, f"/runs/{RUN}/review"))
        empty = client.post(f"/runs/{RUN}/review", data={"token": token, "r1-p0.title": ""})
        assert empty.status_code == 422
        assert client.post(f"/runs/{RUN}/review", data={"veto": "r1-p0"}).status_code == 403
        assert client.post(f"/runs/{RUN}/review", data={"token": token, "veto": "r1-p0"}).status_code == 303
    assert answered(service)["veto"] == ["r1-p0"]


def wait_with_patterns(service: Service, names: list[str]) -> None:
    """A run whose review is about these patterns."""
    wait_for_review(service, {"about": "patterns", "round": 1, "patterns": names})
    here = Round(RunPaths(service.settings.runs / RUN), 1)
    patterns = [
        Pattern(id=name, round=1, name=name, description="About.", failures=["a"], centroid=[0.0])
        for name in names
    ]
    write_jsonl(here.paths.patterns, patterns)
    for name in names:
        here.write_strategy(Strategy(pattern=name, title="Title", instructions="Write."))


@pytest.mark.parametrize(
    ("into", "merged"),
    [
        ({"p1": "p0"}, [["p0", "p1"]]),
        ({"p0": "p2", "p1": "p2"}, [["p2", "p0", "p1"]]),
        ({"p0": "p1", "p1": "p2"}, [["p2", "p0", "p1"]]),
        ({"p0": "p1", "p2": "p3"}, [["p1", "p0"], ["p3", "p2"]]),
    ],
)
def test_patterns_are_merged(service: Service, into: dict[str, str], merged: list[list[str]]) -> None:
    names = ["p0", "p1", "p2", "p3"]
    wait_with_patterns(service, names)
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/review")
        assert text.count(".into") == len(names)
        chosen = {f"{name}.into": into.get(name, "") for name in names}
        told = client.post(f"/runs/{RUN}/review", data={"token": token_in(text), **chosen})
        assert told.status_code == 303, told.text
    assert answered(service)["merge"] == merged


@pytest.mark.parametrize(
    ("form", "status", "fault"),
    [
        ({"p0.into": "p1", "p1.into": "p0"}, 422, "in a circle"),
        ({"p0.into": "p0"}, 422, "in a circle"),
        ({"p0.into": "p9"}, 409, "No such pattern"),
        ({"p0.into": "p1", "p0.name": "new"}, 409, "neither edited nor vetoed"),
    ],
)
def test_a_merge_that_is_not_possible_is_refused(
    service: Service, form: dict[str, str], status: int, fault: str
) -> None:
    wait_with_patterns(service, ["p0", "p1"])
    with service.client() as client:
        token = token_in(open_page(client, f"/runs/{RUN}/review"))
        told = client.post(f"/runs/{RUN}/review", data={"token": token, **form})
    assert (told.status_code, fault in told.text) == (status, True), told.text
    assert service.sql("select status from runs") == [("paused",)]


def test_rows_are_reviewed_but_not_those_that_nobody_can_accept(service: Service) -> None:
    wait_for_review(service, {"about": "rows", "round": 1, "accepted": 1, "rejected": 1})
    with service.client() as client:
        text = open_page(client, f"/runs/{RUN}/review")
        assert 'name="reject" value="r1-b0-a1-0"' in text
        assert "r1-b1-a1-0" not in text, "it is a leak"
        token = token_in(text)
        leak = client.post(f"/runs/{RUN}/review", data={"token": token, "accept": "r1-b1-a1-0"})
        assert leak.status_code == 409
        assert "No reviewer can accept" in leak.text
        client.post(f"/runs/{RUN}/review", data={"token": token, "reject": "r1-b0-a1-0"})
    assert answered(service)["reject"] == ["r1-b0-a1-0"]
