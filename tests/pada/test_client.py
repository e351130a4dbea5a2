"""`pada.Client` against a real service; most runs stay in its queue, because its executor is off."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pada
from app.engine.events import Event, RunStatusChanged
from tests.app.api.http_service import Service, serve, settings_for
from tests.command import PADA, environment
from tests.conftest import Run
from tests.http_server import QuietHandler, answering
from tests.service import serving
from tests.tiny_task import config_for, write_config, write_data


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serve(settings_for(tmp_path / "home")) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    data = write_data(tmp_path / "rows")
    return {"task": "classification", "data": str(data), "loop": {"method": "vanilla"}}


def test_runs_are_started_listed_and_steered(
    service: Service, config: dict[str, Any], tmp_path: Path
) -> None:
    with pada.Client(service.url) as client:
        first = client.start(config)
        second = client.start(write_config(tmp_path / "second.yaml", config))
        assert [run.id for run in client.runs()] == [second.id, first.id]
        assert (first.status, first.state["method"], first.review) == ("queued", "vanilla", None)
        assert first.pause().status == "paused"
        assert [run.id for run in client.runs("paused")] == [first.id]
        assert first.resume(max_calls=500).status == "queued"
        assert client.load(first.id).cancel().status == "cancelled"
        with pytest.raises(pada.PadaError, match="does not wait for a review"):
            second.answer({"veto": []})
        with pytest.raises(pada.PadaError, match="There is no run"):
            client.load("0" * 32)
    ((budget,),) = service.sql("select json_extract(config, '$.budget') from runs where id = ?", first.id)
    assert json.loads(budget)["max_calls"] == 500


def test_events_are_followed_to_the_end_and_past_a_pause(service: Service, config: dict[str, Any]) -> None:
    with pada.Client(service.url) as client:
        run = client.start(config).pause().resume()
        heard: list[Event] = []

        def hear(event: Event) -> None:
            heard.append(event)
            if len(heard) == 3:
                run.cancel()

        with pytest.raises(pada.PadaError, match="is cancelled"):
            run.wait(show=hear)
    statuses = [event.status for event in heard if isinstance(event, RunStatusChanged)]
    assert statuses == ["queued", "paused", "queued", "cancelled"]


def test_a_key_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(settings_for(tmp_path / "home", auth="on")) as service:
        with pada.Client(service.url) as client, pytest.raises(pada.PadaError, match="key"):
            client.runs()
        key = make_key(service)
        with pada.Client(service.url, key) as client:
            assert client.runs() == []
        monkeypatch.setenv("PADA_KEY", key)
        with pada.Client(service.url) as client:
            assert client.runs() == []


def test_a_run_is_downloaded_and_read(
    service: Service, config: dict[str, Any], whole_run: Run, tmp_path: Path
) -> None:
    with pada.Client(service.url) as client:
        run = client.start(config)
        shutil.copytree(whole_run.folder, service.settings.runs / run.id)
        assert run.report.status == "finished"
        light = run.download(tmp_path / "light")
        whole = run.download(tmp_path / "whole", weights=True)
    assert (light.status, light.state.reason) == ("finished", whole_run.report["stopped"])
    assert light.rounds[1].patterns.equals(pada.load(whole_run.folder).rounds[1].patterns)
    assert list(light.folder.rglob("*.safetensors")) == []
    assert not (whole.folder / "ledger.sqlite").exists(), "it is the service's own"
    for path in whole_run.folder.rglob("*.safetensors"):
        assert (whole.folder / path.relative_to(whole_run.folder)).read_bytes() == path.read_bytes()
    assert list(whole.folder.rglob("*.part")) == []


class Hostile(QuietHandler):
    """Names a file outside of the run, and one whose body is cut."""

    names: list[str] = []

    def do_GET(self) -> None:
        items = [{"path": name, "bytes": 10} for name in self.names]
        cut = "/artifacts/" in self.path
        body = b"evil" if cut else json.dumps({"items": items}).encode()
        self.reply(200, body, {"Content-Length": str(len(body) + 6 * cut)})


@contextmanager
def hostile(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[pada.RemoteRun]:
    monkeypatch.setattr(Hostile, "names", list(names))
    with answering(Hostile) as url, pada.Client(url) as client:
        yield client.load("0" * 32)


@pytest.mark.parametrize("name", ["../evil", "/tmp/pada-evil", "a/../../evil", ".", ""])
def test_a_service_cannot_write_outside_of_the_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    with hostile(monkeypatch, name) as run, pytest.raises(pada.PadaError, match="outside of the run"):
        run.download(tmp_path / "run")
    assert [path.name for path in tmp_path.rglob("*")] == ["run"]


def test_a_file_that_is_cut_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile(monkeypatch, "rows.jsonl") as run, pytest.raises(pada.PadaError):
        run.download(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def make_key(service: Service) -> str:
    """A key that may write, made by the command line."""
    command = [PADA, "keys", "create", "--name", "test", "--scope", "write"]
    variables = environment() | {"PADA_HOME": str(service.settings.home)}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
@pytest.mark.student
def test_a_run_of_a_service_is_followed_to_its_end_and_downloaded(
    tmp_path: Path, data: Path, student: Path
) -> None:
    allowed = json.dumps([str(data), str(student)])
    document = config_for(data, student, None, loop={"method": "vanilla"})
    with (
        serving(tmp_path / "home", PADA_ALLOWED_PATHS=allowed) as service,
        pada.Client(service.url) as client,
    ):
        run = client.start(document).wait(show=False)
        loaded = run.download(tmp_path / "run")
    assert loaded.status == "finished"
    assert loaded.scores["validation"].tolist() == [loaded.report.rounds[0].validation]
    assert len(loaded.rounds[0].predictions) == 40
