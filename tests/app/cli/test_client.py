"""The client of a service, against a server that drops connections."""

from __future__ import annotations

import json

import httpx
import pytest

from app.cli import client as module
from app.cli.client import Client, check, json_of, run_path
from app.engine.events import Event, RunStatusChanged, UnknownEvent
from app.errors import PadaError
from tests.http_server import QuietHandler, answering

EVENTS = [
    {"type": "stage", "name": "gate", "state": "started"},
    {"type": "note", "text": "of a newer service"},
    {"type": "run", "status": "paused", "reason": "It was paused.", "waiting_for": "user"},
    {"type": "run", "status": "finished", "reason": ""},
]


class Dropping(QuietHandler):
    """Sends one event of the stream for each connection, keeps it alive with a comment, and cuts it in the next event."""

    last_ids: list[str] = []

    def do_GET(self) -> None:
        if self.path.endswith("/events"):
            self._send_one_event()
            return
        body = json.dumps({"status": "paused"}).encode()
        self.reply(200, body)

    def _send_one_event(self) -> None:
        last = self.headers["Last-Event-ID"]
        self.last_ids.append(last)
        event = EVENTS[int(last)]
        data = json.dumps(
            {key: value for key, value in event.items() if key != "type"} | {"id": int(last) + 1}
        )
        text = f"id: {int(last) + 1}\nevent: {event['type']}\ndata: {data}\n\n: ping\n\nid: 99\n"
        self.reply(200, text.encode(), {"Content-Type": "text/event-stream", "Content-Length": "100000"})


def test_events_come_once_over_lost_connections_until_the_run_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_SECONDS", 0.0)
    monkeypatch.setattr(Dropping, "last_ids", [])
    shown: list[Event] = []
    with answering(Dropping) as url, Client(url, None) as client:
        assert client.watch("run", shown.append) == {"status": "paused"}
    assert Dropping.last_ids == ["0", "1", "2"]
    assert [event.id for event in shown] == [1, 2, 3]
    assert isinstance(shown[1], UnknownEvent)
    assert isinstance(shown[2], RunStatusChanged)


def test_a_service_that_stays_away_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_SECONDS", 0.0)
    monkeypatch.setattr(module, "GIVE_UP_SECONDS", 0.2)
    with Client("http://127.0.0.1:9", None) as client, pytest.raises(PadaError, match="no answer for 0 s"):
        client.watch("run", lambda _: None)


def test_a_problem_is_an_error_with_its_detail() -> None:
    request = httpx.Request("GET", "http://gpu-host/v1/runs/x")
    problem = httpx.Response(404, json={"detail": "There is no run 'x'."}, request=request)
    with pytest.raises(PadaError, match=r"gpu-host: There is no run 'x'\."):
        check(problem)
    with pytest.raises(PadaError, match="gpu-host: HTTP 502"):
        check(httpx.Response(502, text="<html>", request=request))


def test_another_server_than_a_service_is_said_to_be_one() -> None:
    request = httpx.Request("GET", "http://gpu-host/v1/runs")
    moved = httpx.Response(302, headers={"location": "https://gpu-host:8443/v1/runs?key=1"}, request=request)
    with pytest.raises(
        PadaError, match=r"^gpu-host: it redirects to https://gpu-host:8443\. Name that address\.$"
    ):
        check(moved)
    with pytest.raises(PadaError, match=r"^gpu-host: what answers there is no pada service"):
        json_of(check(httpx.Response(200, text="<html>", request=request)))


def test_an_id_cannot_leave_its_path() -> None:
    assert run_path("../keys?x=1#y") == "/v1/runs/..%2Fkeys%3Fx%3D1%23y"
