"""`/runs/{run}/review`: what a person changes, and what the run is told."""

from __future__ import annotations

import json
from typing import Any

from tests.app.api.http_service import Service
from tests.app.api.pages.browsing import (
    HOSTILE,
    RUN,
    open_page,
    token_in,
    wait_for_review,
)


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
