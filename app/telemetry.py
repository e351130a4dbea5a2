"""OpenTelemetry traces of requests and runs, if `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

The extra `otel` installs the packages; none is imported unless the variable is set. The SDK reads the other `OTEL_*`
variables itself. A span holds names, numbers and states, and never a text of rows, prompts, answers or errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

from app.engine.events import Event, Listener, RunStatusChanged, StageDone, StageStarted
from app.errors import ConfigError
from app.settings import TraceSettings
from graphs.teacher.hooks import RequestRecord, watcher

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

PROBES = ("/healthz", "/readyz", "/metrics")
"""Polled every few seconds; these requests are not traced."""
FLUSH_SECONDS = 2.0
"""Time limit for sending the last spans: an unreachable collector must not keep a process from ending."""
MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, but OpenTelemetry's SDK is not installed ({}). Install the extra: "
    "`pip install 'pada[otel]'`, in a checkout `scripts/setup otel`; or unset the variable."
)


@dataclass(frozen=True)
class RequestTraces:
    """FastAPI's settings for traces of requests, and a function that sends the last of them."""

    config: TelemetryConfig
    end: Callable[[], None]


def trace_requests() -> RequestTraces:
    """A span for each request, if traces are on.

    Raises:
        ConfigError: traces are on, and the packages are missing.
    """
    # FastAPI's own logs and metrics would hold messages of exceptions, and numbers that `/metrics` has
    config: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
    if not TraceSettings().on:
        return RequestTraces(config, lambda: None)
    provider = _provider()
    config |= {
        "tracing": True,
        "tracer_provider": provider,
        "operation_spans": False,
        "exclude": lambda scope: scope["path"] in PROBES,
    }
    return RequestTraces(config, lambda: _flush(provider))


@contextmanager
def trace_run(run: str) -> Iterator[Listener]:
    """One trace of a run: a span for each stage, and one for each call of a teacher.

    Its id is the run's, so that all processes that work on a run add to one trace.

    Yields:
        A listener for the run's events. It does nothing where traces are off.
    """
    if not TraceSettings().on:
        yield lambda _: None
        return
    provider = _provider(run)
    trace = RunTrace(provider.get_tracer("pada"), run)
    watcher.set(trace.on_request)
    try:
        yield trace.on_event
    finally:
        trace.end()
        _flush(provider)


class RunTrace:
    """Turns the events of one run and the calls of its teachers into spans."""

    def __init__(self, tracer: Tracer, run: str):
        self._tracer = tracer
        self._root = tracer.start_span("run", attributes={"pada.run": run})
        self._stage: Span | None = None

    def on_event(self, event: Event) -> None:
        """See `app.engine.events.Listener`."""
        match event:
            case StageStarted(name=name):
                self._stage = self._tracer.start_span(name, context=self._within(self._root))
            case StageDone(done=done, total=total) if self._stage:
                self._stage.set_attributes({"pada.done": done, "pada.total": total})
                self._stage.end()
                self._stage = None
            case RunStatusChanged(status=status):
                self._root.set_attribute("pada.status", status)
                _mark(self._root, failed=status == "failed")

    def on_request(self, request: RequestRecord) -> None:
        """One request to a teacher, as a span of the stage that it was made in."""
        now = time.time_ns()
        span = self._tracer.start_span(
            f"chat {request.model}",
            context=self._within(self._stage or self._root),
            start_time=now - int(request.seconds * 1e9),
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": request.model,
                "pada.role": request.role,
                "pada.schema": request.schema,
                "pada.attempt": request.attempt,
                "pada.outcome": request.outcome,
            },
        )
        if request.charge:
            span.set_attribute("gen_ai.usage.input_tokens", request.charge.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", request.charge.completion_tokens)
        _mark(span, failed=request.outcome != "answered")
        span.end(now)

    def end(self) -> None:
        """End the open spans."""
        if self._stage:
            self._stage.end()
        self._root.end()

    def _within(self, span: Span) -> object:
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(span)


def _mark(span: Span, *, failed: bool) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR if failed else StatusCode.OK)


def _provider(run: str | None = None) -> TracerProvider:
    """Creates and sends spans. With a run, all spans belong to the trace that has the run's id."""
    with _extra():
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    ids, sampler = RandomIdGenerator(), None
    if run:
        # runs are few, and a sampler that decides by the id would keep either all of their spans or none
        ids.generate_trace_id, sampler = lambda: int(run, 16), ALWAYS_ON
    resource = Resource.create({"service.name": "pada"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, id_generator=ids, sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


@contextmanager
def _extra() -> Iterator[None]:
    """Imports of the extra's packages."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(MISSING.format(error)) from None


def _flush(provider: TracerProvider) -> None:
    """Send the waiting spans, for `FLUSH_SECONDS` at most; the SDK would try for half a minute."""
    sender = Thread(target=provider.shutdown, daemon=True)
    sender.start()
    sender.join(FLUSH_SECONDS)
