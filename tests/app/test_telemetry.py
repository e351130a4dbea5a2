"""Traces of requests and of runs: a real service sends them to a real collector."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.collector import Collector
from tests.command import CANARY
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.service import allowing, serving
from tests.tiny_task import FILLER, config_for

COLLECTOR_KEY = "otel-canary-81d0c6b2f4"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def variables(url: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{COLLECTOR_KEY}",
    }


def test_a_request_is_a_span(tmp_path: Path, collector: Collector) -> None:
    with serving(tmp_path / "home", PADA_MAX_RUNNING="0", **variables(collector.url)) as service:
        name = "f" * 32
        answer = httpx.get(f"{service.url}/v1/runs/{name}", headers={"traceparent": TRACEPARENT})
        assert answer.status_code == 404
        httpx.get(f"{service.url}/metrics")
        assert service.terminate() == 0
    (span,) = collector.spans
    assert span.service == "pada"
    assert span.name == "GET /v1/runs/{run}"
    assert span.attributes["http.route"] == "/v1/runs/{run}"
    assert span.attributes["http.response.status_code"] == 404
    assert [span.trace, span.parent] == TRACEPARENT.split("-")[1:3]
    assert collector.headers[0]["authorization"] == f"Bearer {COLLECTOR_KEY}"


@pytest.mark.slow
def test_a_run_is_one_trace_with_its_stages_and_calls(
    tmp_path: Path, collector: Collector, data: Path, student: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    config = config_for(data, student, scripted_teacher.url, loop={"rounds": 1}) | {
        "data": {"folder": str(data)}
    }
    settings = {
        **allowing(scripted_teacher.url, data, student),
        "OTEL_SERVICE_NAME": "pada-of-this-test",
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.0",
    }
    with serving(tmp_path / "home", **settings, **variables(collector.url)) as service:
        run = service.start_run(config)
        ended = service.wait(run)
        events = service.events(run)
        assert service.terminate() == 0
    assert ended["status"] == "finished"
    assert {span.trace for span in collector.spans} == {run}, "requests are thinned out, runs are not"
    assert {span.service for span in collector.spans} == {"pada-of-this-test"}
    (root,) = (span for span in collector.spans if not span.parent)
    assert (root.name, root.attributes) == ("run", {"pada.run": run, "pada.status": "finished"})
    stages = [span for span in collector.spans if span.parent == root.id]
    told = [event for event in events if event["type"] == "stage" and event["state"] == "done"]
    assert Counter(span.name for span in stages) == Counter(event["name"] for event in told)
    by_start = sorted(stages, key=lambda span: span.begun)
    for span, event in zip(by_start, told, strict=True):
        assert (span.ended - span.begun) / 1e9 == pytest.approx(event["seconds"], abs=0.05)
        assert span.attributes["pada.total"] == event["total"]
    calls = [span for span in collector.spans if span not in (root, *stages)]
    assert len(calls) == ended["cost"]["calls"] == len(scripted_teacher.of_run(run))
    assert Counter(span.attributes["pada.schema"] for span in calls) == Counter(
        request.schema for request in scripted_teacher.of_run(run)
    )
    names = {span.id: span.name for span in stages}
    assert {(span.attributes["pada.schema"], names[span.parent]) for span in calls} == {
        ("ErrorAnalysis", "analyze_errors"),
        ("FailurePattern", "find_patterns"),
        ("AugmentationStrategy", "draft_strategies"),
        ("SampleBatch", "augment"),
        ("QualityReport", "augment"),
    }
    assert {span.attributes["gen_ai.usage.input_tokens"] for span in calls} == {100}
    sent = b"".join(collector.bodies).decode("utf-8", "replace")
    for text in (CANARY, COLLECTOR_KEY, "Classify the request"):
        assert text not in sent, text
    assert not {word for word in re.findall("[a-z]+", sent) if len(word) > 4} & set(FILLER)


def test_a_collector_that_is_away_keeps_no_process(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with serving(tmp_path / "home", PADA_MAX_RUNNING="0", **variables(url)) as service:
            httpx.get(f"{service.url}/v1/runs")
            began = time.monotonic()
            assert service.terminate() == 0
            assert time.monotonic() - began < 5
        log = (tmp_path / "serve.log").read_text()
        assert COLLECTOR_KEY not in log


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a fresh process does."""
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=60
    )


def test_without_the_variable_nothing_is_imported(tmp_path: Path) -> None:
    code = "import sys; from app.api.app import create_app; create_app(); print('opentelemetry.sdk' in sys.modules)"
    done = python(code, PADA_HOME=str(tmp_path))
    assert done.stdout == "False\n", done.stderr
    done = python(code, PADA_HOME=str(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert done.stdout == "True\n", done.stderr


def test_a_missing_extra_is_one_error_that_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['opentelemetry.sdk'] = None; sys.argv = ['pada', 'serve']; from app.cli.main import main; main()"
    done = python(code, PADA_HOME=str(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in line
    assert "pip install 'pada[otel]'" in line
