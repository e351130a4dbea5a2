"""Prometheus metrics: requests counted in this process, runs as the database has them."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.engine.run_status import STATUSES

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "pada_http_requests", "Requests that were answered.", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "pada_http_seconds",
            "Seconds until the answer began.",
            ("method", "route"),
            registry=self.registry,
        )
        self.runs = Gauge("pada_runs", "Runs by status.", ("status",), registry=self.registry)
        self.comparisons = Gauge(
            "pada_comparisons", "Comparisons by status.", ("status",), registry=self.registry
        )
        self.queue = Gauge(
            "pada_queue_length", "Runs and comparisons that wait for a process.", registry=self.registry
        )
        # summed over all processes by the database; a gauge, because it is set and not counted
        self.teacher = Gauge(
            "pada_teacher",
            "Calls, tokens, US dollars and repeated calls of all runs.",
            ("what",),
            registry=self.registry,
        )
        self.stages = Gauge(
            "pada_stage_seconds", "Wall time of all runs by stage.", ("stage",), registry=self.registry
        )
        self.training = Gauge(
            "pada_trainer_tokens_per_second", "Of trainers at work.", ("run",), registry=self.registry
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request under the route's pattern, because paths contain ids."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", "unknown")
        self.requests.labels(method, route, status).inc()
        self.seconds.labels(method, route).observe(seconds)

    def expose(
        self,
        runs: dict[str, int],
        comparisons: dict[str, int],
        totals: dict[str, dict[str, float]],
        training: dict[str, float],
    ) -> bytes:
        """All numbers as text.

        Args:
            runs: status -> count, of the whole database.
            comparisons: the same of comparisons.
            totals: see `app.db.runs.get_totals`.
            training: run -> tokens a second.
        """
        for what, value in totals["teacher"].items():
            self.teacher.labels(what).set(value)
        for stage, seconds in totals["stages"].items():
            self.stages.labels(stage).set(seconds)
        self.training.clear()
        for run, rate in training.items():
            self.training.labels(run).set(rate)
        for status in STATUSES:
            self.runs.labels(status).set(runs.get(status, 0))
            self.comparisons.labels(status).set(comparisons.get(status, 0))
        self.queue.set(runs.get("queued", 0) + comparisons.get("queued", 0))
        return generate_latest(self.registry)


class Measured:
    """Middleware that counts and times answers."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        answered = False

        def count(status: int) -> None:
            nonlocal answered
            answered = True
            self._metrics.answered(scope, status, time.perf_counter() - began)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, counted)
        except Exception:
            if not answered:
                count(500)
            raise
