"""A run on a pada service, from the command line: upload, start, watch, and take the result home."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import connect_sse

from app.config import RunConfig
from app.errors import PadaError
from app.runs.events import Event
from app.splits import SPLITS
from graphs.report import Report

RECONNECT_SECONDS = 1.0
GIVE_UP_SECONDS = 120.0
"""How long a service may be away before watching it ends; the run goes on there."""


class Client:
    """One service.

    Args:
        url: such as `http://gpu-host:8300`.
        key: an API key, or None.
    """

    def __init__(self, url: str, key: str | None):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=60)

    def start(self, config: RunConfig) -> str:
        """Upload the rows that a config names, unless they are the hub's, and start a run on them; returns the run's id."""
        document = config.model_dump(mode="json", exclude_defaults=True, exclude={"output", "data"})
        data = config.data.model_dump(mode="json", exclude_none=True, exclude={*SPLITS, "folder"})
        document["data"] = data if config.data.hub else {"limit": data["limit"]}
        request = {"dataset": None if config.data.hub else self._upload(config), "config": document}
        run: dict[str, Any] = self._post("/v1/runs", json=request).json()
        return str(run["id"])

    def _upload(self, config: RunConfig) -> str:
        with ExitStack() as stack:
            files = {
                split: stack.enter_context(config.data.file(split, Path()).open("rb")) for split in SPLITS
            }
            sent = {split: (f"{split}.jsonl", file) for split, file in files.items()}
            made: dict[str, Any] = self._post(
                "/v1/datasets", data={"name": config.task}, files=sent, timeout=None
            ).json()
        return str(made["id"])

    def watch(self, run: str, show: Callable[[Event], None]) -> dict[str, Any]:
        """Show a run's events until it ends or waits; returns the run."""
        for event in self._events(run):
            show(event)
            if event["type"] == "run" and event["status"] not in ("queued", "running"):
                break
        return self.get(run)

    def _events(self, run: str) -> Iterator[Event]:
        """Events without a gap, over lost connections."""
        last, away = 0, time.monotonic()
        while True:
            try:
                headers = {"Last-Event-ID": str(last)}
                with connect_sse(
                    self._http, "GET", f"/v1/runs/{run}/events", headers=headers, timeout=60
                ) as source:
                    check(source.response)
                    for sent in source.iter_sse():
                        last, away = int(sent.id), time.monotonic()
                        yield {"type": sent.event, **json.loads(sent.data)}
                return
            except httpx.TransportError as error:
                if time.monotonic() - away > GIVE_UP_SECONDS:
                    raise PadaError(
                        f"{self._http.base_url}: no answer for {GIVE_UP_SECONDS:.0f} s ({error})."
                    ) from None
                time.sleep(RECONNECT_SECONDS)

    def get(self, run: str) -> dict[str, Any]:
        """The run as it stands."""
        found: dict[str, Any] = check(self._http.get(f"/v1/runs/{run}")).json()
        return found

    def report(self, run: str) -> Report:
        """The run's report."""
        return Report(**check(self._http.get(f"/v1/runs/{run}/report")).json())

    def _post(self, path: str, **request: Any) -> httpx.Response:
        """Send once, or again with the same key after a lost connection: the service does it once."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        try:
            return check(self._http.post(path, headers=headers, **request))
        except httpx.TransportError as error:
            raise PadaError(f"{self._http.base_url}: no pada service answers there ({error}).") from None


def check(response: httpx.Response) -> httpx.Response:
    """The response, if it is good; else its problem as an error."""
    if response.is_success:
        return response
    response.read()
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"HTTP {response.status_code}"
    raise PadaError(f"{response.url.host}: {detail}")
