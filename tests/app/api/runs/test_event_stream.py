"""Readers of events that are cut off at random bytes, while a run is at work and after: no gap, no duplicate."""

from __future__ import annotations

import asyncio
import json
import math
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h11
import httpx
import pytest

from app.api.runs import event_stream
from app.api.runs.event_stream import PAGE, EncodedEvent, EventBroadcaster, RunSubscription
from app.db import leases as lease_repository
from app.db import runs as run_repository
from app.db.engine import make_engine, make_sessions
from app.db.leases import Lease, RunEnd
from app.db.models import Run
from app.engine.events import Event, read_event
from app.settings import Settings
from tests.service import Service, serving

RUN = "5" * 32
READERS = 5
CUTS = 20
"""Of each reader: half of them while the run is at work, half when it is over."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset, as a machine does that crashed and came back."""


def note(text: str) -> Event:
    """An event of a kind that this version does not know: the stream sends it as it is."""
    return read_event({"type": "note", "time": time.time(), "text": text})


@dataclass
class Writer:
    """A run's worker as the database sees it: events in batches, at random moments, as long as readers want."""

    settings: Settings
    enough: threading.Event = field(default_factory=threading.Event)
    told: list[str] = field(default_factory=list)
    """The texts of the events that were written."""

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        rng = random.Random("writer")
        engine = make_engine(self.settings.database)
        sessions = make_sessions(engine)
        size = 3 * PAGE
        while not self.enough.is_set():
            batch = [note("é\n" * rng.choice((1, 1, 1, 30, 500))) for _ in range(size)]
            size = rng.choice((1, 1, 1, 2, 2, 9))
            async with sessions.begin() as session:
                assert await lease_repository.append_events(session, Lease(RUN, 1), batch)
            self.told += [event.data()["text"] for event in batch]
            await asyncio.sleep(rng.uniform(0, 0.06))
        async with sessions.begin() as session:
            assert await lease_repository.release(session, Lease(RUN, 1), RunEnd("finished", ""))
        await engine.dispose()


async def append(settings: Settings, count: int) -> None:
    engine = make_engine(settings.database)
    batch = [note(str(number)) for number in range(count)]
    async with make_sessions(engine).begin() as session:
        assert await lease_repository.append_events(session, Lease(RUN, 1), batch)
    await engine.dispose()


async def claimed_run(settings: Settings) -> None:
    engine = make_engine(settings.database)
    async with make_sessions(engine).begin() as session:
        config = {"task": "classification", "loop": {"method": "pada"}}
        run = Run(id=RUN, owner="", config=config, status="queued", reason="", view={}, token=0, last_event=0)
        await run_repository.add(session, run)
        await lease_repository.claim_next(session, "this test", 600)
    await engine.dispose()


class Stream:
    """One connection to the stream of events."""

    def __init__(self, connection: socket.socket, last: int):
        self._socket = connection
        self._http = h11.Connection(h11.CLIENT)
        self._rest = b""
        self.ended = False
        headers = [("Host", "127.0.0.1"), ("Last-Event-ID", str(last))]
        request = h11.Request(method="GET", target=f"/v1/runs/{RUN}/events", headers=headers)
        self._socket.sendall(self._http.send(request) + self._http.send(h11.EndOfMessage()))

    @property
    def torn(self) -> bool:
        """Whether the last event has come in part."""
        return bool(self._rest)

    def read(self, most: int, seconds: float) -> Iterator[dict[str, Any]]:
        """The whole events in the next `most` bytes, as far as they come within `seconds`."""
        self._socket.settimeout(seconds)
        while most > 0 and not self.ended:
            try:
                data = self._socket.recv(min(most, 65536))
            except TimeoutError:
                return
            most -= len(data)
            self._http.receive_data(data)
            yield from self._events()

    def _events(self) -> Iterator[dict[str, Any]]:
        while (part := self._http.next_event()) is not h11.NEED_DATA:
            if isinstance(part, h11.Response):
                assert part.status_code == 200
            if isinstance(part, h11.Data):
                self._rest += part.data
            if isinstance(part, h11.EndOfMessage):
                self.ended = True
                break
        *blocks, self._rest = self._rest.split(b"\n\n")
        for block in blocks:
            lines = dict(line.split(": ", 1) for line in block.decode().splitlines())
            if "data" in lines:  # the others are heartbeats
                yield {"id": int(lines["id"]), "type": lines["event"], **json.loads(lines["data"])}


@dataclass
class Reader:
    """Reads all events of the run over many connections, most of which it cuts."""

    port: int
    rng: random.Random
    seen: list[dict[str, Any]] = field(default_factory=list)
    torn: int = 0

    @contextmanager
    def connect(self) -> Iterator[Stream]:
        with closing(socket.create_connection(("127.0.0.1", self.port))) as connection:
            if self.rng.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            yield Stream(connection, self.seen[-1]["id"] if self.seen else 0)

    def cut(self) -> None:
        """Connect, and leave somewhere: in the headers, in an event, or between two."""
        with self.connect() as stream:
            most = self.rng.choice((40, 4000, 40000, 1 << 20))
            self.seen += stream.read(
                self.rng.randint(1, most), self.rng.uniform(0, self.rng.choice((0.1, 1.5)))
            )
            self.torn += stream.torn

    def finish(self) -> None:
        with self.connect() as stream:
            self.seen += stream.read(1 << 40, 30)
            assert stream.ended


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    # asked often, so that a connection sees many changes before it is cut
    with serving(tmp_path / "home", PADA_MAX_RUNNING="0", PADA_POLL_SECONDS="0.02") as running:
        yield running


@pytest.fixture
def settings(service: Service) -> Settings:
    """Of the service, whose database has a run at work."""
    url = service.settings.get("PADA_DATABASE_URL", "")
    configured = Settings(home=service.home, database_url=url)
    asyncio.run(claimed_run(configured))
    return configured


def test_a_stream_may_be_taken_up_anywhere_beside_another_reader(
    service: Service, settings: Settings
) -> None:
    """The other reader makes the service keep the newest events: some of those asked for are there, some are not."""
    known: list[dict[str, Any]] = []
    asyncio.run(append(settings, 3))
    with Reader(service.port, random.Random("other")).connect() as stream:
        for whole in (4, 10):
            while len(known) < whole:
                known += stream.read(10_000, 0.1)
            asyncio.run(append(settings, 6))
        for last in range(10):
            assert service.events(RUN, last, most=10 - last) == known[last:10], last


@pytest.mark.parametrize("last", ["-1", "one", "9" * 20])
def test_a_place_that_no_event_has_is_refused(service: Service, settings: Settings, last: str) -> None:
    answer = httpx.get(f"{service.url}/v1/runs/{RUN}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "header:Last-Event-ID"


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_json_does_not_have_is_null(number: float) -> None:
    event = read_event({"id": 7, "type": "trainer", "time": 1.5, "stage": "train", "loss": number})
    first, data, *rest = EncodedEvent.of(event).text.decode().split("\n")
    assert (first, rest) == ("event: trainer", ["id: 7", "", ""])
    assert json.loads(data.removeprefix("data: ")) == {"id": 7, "time": 1.5, "stage": "train", "loss": None}


async def test_a_reader_of_a_silent_run_gets_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "SILENCE_SECONDS", 0.01)
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite'}")
    events = EventBroadcaster(make_sessions(engine), 60).read(RunSubscription(RUN, 0), 0)
    assert [await anext(events), await anext(events)] == [b": ping\n\n"] * 2
    await events.aclose()


def test_a_hundred_cuts_leave_no_gap_and_no_duplicate(service: Service, settings: Settings) -> None:
    writer = Writer(settings)
    readers = [Reader(service.port, random.Random(f"reader {number}")) for number in range(READERS)]

    def cut(reader: Reader) -> None:
        for _ in range(CUTS // 2):
            reader.cut()

    with ThreadPoolExecutor(READERS + 1) as pool:
        working = pool.submit(writer.work)
        list(pool.map(cut, readers))
        assert not working.done()
        assert all(event["type"] != "run" or event["status"] != "finished" for event in readers[0].seen)
        writer.enough.set()
        working.result(30)
        list(pool.map(cut, readers))
        list(pool.map(Reader.finish, readers))

    whole = service.events(RUN)
    assert [event["id"] for event in whole] == list(range(1, len(whole) + 1))
    assert [event["text"] for event in whole if event["type"] == "note"] == [*writer.told]
    for reader in readers:
        assert reader.seen == whole
    assert any(reader.torn for reader in readers), "no cut was in the middle of an event"
    assert service.terminate() == 0
    assert '"level": "error"' not in (service.home.parent / "serve.log").read_text()
