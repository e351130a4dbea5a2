"""Client of a pada service: uploads rows, starts and follows runs, and downloads results."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx
from httpx_sse import connect_sse

from app.config.run_config import RunConfig
from app.config.splits import SPLITS
from app.engine.events import Event, RunStatusChanged, read_event
from app.engine.run_status import AT_WORK
from app.errors import PadaError
from graphs.report import Report

RECONNECT_SECONDS = 1.0
SENDABLE = re.compile(r"[\x21-\x7e]*")
GIVE_UP_SECONDS = 120.0
"""How long a service may not answer before following ends; the run continues there."""


class Client:
    """One service.

    Args:
        url: such as `http://gpu-host:8300`.
        key: an API key, or None.

    Raises:
        PadaError: no header can carry the key.
    """

    def __init__(self, url: str, key: str | None):
        if not SENDABLE.fullmatch(key or ""):
            raise PadaError(
                "The API key (PADA_KEY) holds what no HTTP header can carry: a line break, white space, or a character that is "
                "not ASCII. Set it to the bare key."
            )
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def start(self, config: RunConfig) -> str:
        """Upload the rows that a config names, unless they are on the hub, and start a run; returns its id."""
        if config.data.unlabeled:
            raise PadaError(
                "data.unlabeled: a service takes no rows without answers. Leave --server out, or leave out `data.unlabeled` and "
                "`loop.sources`."
            )
        document = config.model_dump(mode="json", exclude_defaults=True, exclude={"output", "data"})
        data = config.data.model_dump(mode="json", exclude_none=True, exclude={*SPLITS, "folder"})
        document["data"] = data if config.data.hub else {"limit": data["limit"]}
        request = {"dataset": None if config.data.hub else self._upload(config), "config": document}
        run: dict[str, Any] = json_of(self._post("/v1/runs", json=request))
        return str(run["id"])

    def _upload(self, config: RunConfig) -> str:
        with ExitStack() as stack:
            files = {split: stack.enter_context(config.data.file(split).open("rb")) for split in SPLITS}
            sent = {split: (f"{split}.jsonl", file) for split, file in files.items()}
            sending = self._post("/v1/datasets", data={"name": config.task}, files=sent, timeout=None)
            made: dict[str, Any] = json_of(sending)
        return str(made["id"])

    def watch(self, run: str, show: Callable[[Event], None]) -> dict[str, Any]:
        """Show a run's events until the run ends or waits; returns the run."""
        for event in self.events(run):
            show(event)
            if isinstance(event, RunStatusChanged) and event.status not in AT_WORK:
                break
        return self.get(run)

    def events(self, run: str) -> Iterator[Event]:
        """The events of a run from its beginning, without a gap, until it ends; reconnects when the connection is lost."""
        last, answered = 0, time.monotonic()
        while True:
            try:
                headers = {"Last-Event-ID": str(last)}
                with connect_sse(
                    self._http, "GET", f"{run_path(run)}/events", headers=headers, timeout=60
                ) as source:
                    check(source.response)
                    for sent in source.iter_sse():
                        if not sent.data:  # what httpx-sse makes of a comment that keeps the connection alive
                            continue
                        last, answered = int(sent.id), time.monotonic()
                        yield read_event({"type": sent.event, **json.loads(sent.data)})
                return
            except httpx.TransportError as error:
                if time.monotonic() - answered > GIVE_UP_SECONDS:
                    raise PadaError(
                        f"{self._http.base_url}: no answer for {GIVE_UP_SECONDS:.0f} s ({error})."
                    ) from None
                time.sleep(RECONNECT_SECONDS)

    def get(self, run: str) -> dict[str, Any]:
        """The current state of the run."""
        state: dict[str, Any] = json_of(self._get(run_path(run)))
        return state

    def runs(self, status: str | None) -> list[dict[str, Any]]:
        """All runs that the key sees, newest first, with `status` if it is given."""
        return self._items("/v1/runs", **({"status": status} if status else {}))

    def steer(self, run: str, step: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for a step, such as `pause`, or answer a review; returns the new state of the run."""
        state: dict[str, Any] = json_of(self._post(f"{run_path(run)}/{step}", json=body))
        return state

    def add_row(self, run: str, prompt: str, completion: str) -> dict[str, Any]:
        """Add a row to train on; returns it with its verdict, and what happens to it."""
        row = {"prompt": prompt, "completion": completion}
        added: dict[str, Any] = json_of(self._post(f"{run_path(run)}/samples", json=row))
        return added

    def remove_row(self, run: str, row: str) -> None:
        """Take back a row that no round has taken."""
        try:
            check(self._http.delete(f"{run_path(run)}/samples/{quote(row, safe='')}"))
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def pending_review(self, run: str) -> dict[str, Any] | None:
        """The review that a run waits for, with its texts or rows; None if it waits for none."""
        review = self.get(run)["review"]
        if review is None:
            return None
        kinds = ("patterns", "strategies") if review["about"] == "patterns" else ("samples",)
        return {
            **review,
            **{kind: self._items(f"{run_path(run)}/{kind}", round=review["round"]) for kind in kinds},
        }

    def page(self, run: str) -> str:
        """The run's report as a page."""
        return self._get(f"{run_path(run)}/report.html").text

    def report(self, run: str) -> Report:
        """The run's report."""
        return Report(**json_of(self._get(f"{run_path(run)}/report")))

    def files(self, run: str) -> list[str]:
        """The paths of the files that a run has left."""
        return [str(item["path"]) for item in json_of(self._get(f"{run_path(run)}/artifacts"))["items"]]

    def download(self, run: str, name: str, target: Path) -> None:
        """Write one file of a run; it is complete or absent."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part")
        try:
            with self._http.stream("GET", f"{run_path(run)}/artifacts/{quote(name)}") as response:
                check(response)
                with partial.open("wb") as file:
                    for chunk in response.iter_bytes():
                        file.write(chunk)
            partial.replace(target)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        finally:
            partial.unlink(missing_ok=True)

    def _items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items of all pages."""
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {"next": ""}
        while page["next"] is not None:
            page = json_of(self._get(path, **query))
            items += page["items"]
            query["cursor"] = page["next"]
        return items

    def _get(self, path: str, **query: Any) -> httpx.Response:
        try:
            return check(self._http.get(path, params=query))
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _post(self, path: str, **request: Any) -> httpx.Response:
        """Send a POST with an idempotency key."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        try:
            return check(self._http.post(path, headers=headers, **request))
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: httpx.TransportError) -> PadaError:
        return PadaError(f"{self._http.base_url}: no pada service answers there ({error}).")


def run_path(run: str) -> str:
    """The URL path of a run. The id is quoted, because the user may have typed anything."""
    return f"/v1/runs/{quote(run, safe='')}"


def check(response: httpx.Response) -> httpx.Response:
    """The response if it is successful; otherwise raises PadaError with its problem."""
    if response.is_success:
        return response
    response.read()
    if response.has_redirect_location:
        there = response.url.join(response.headers["location"])
        raise PadaError(
            f"{response.url.host}: it redirects to {there.scheme}://{there.netloc.decode()}. Name that address."
        )
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"HTTP {response.status_code}"
    raise PadaError(f"{response.url.host}: {detail}")


def json_of(response: httpx.Response) -> Any:
    """What a service has answered; raises PadaError where something else answers, such as a web page."""
    try:
        return response.json()
    except ValueError:
        raise PadaError(
            f"{response.url.host}: what answers there is no pada service: it sends no JSON."
        ) from None
