"""Runs of a service: started, followed, steered and downloaded over REST."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from app.cli.client import Client as RestClient
from app.engine.events import Event, RunStatusChanged
from app.engine.run_status import AT_WORK, RunStatus
from app.errors import PadaError
from app.settings import ClientSettings
from graphs.report import Report
from pada.runs import Config, Listener, Run, listener, load, read_config

WEIGHTS = (".safetensors", ".bin", ".gguf")
"""Endings of the files that are large."""


class Client:
    """A service.

        with pada.Client("http://gpu-host:8300") as client:
            run = client.start("tickets/config.yaml").wait()
            run.download("runs/first").rounds[1].patterns

    Args:
        url: the address of `pada serve`.
        key: an API key; without one, that of the variable `PADA_KEY` is sent, where it is set.
    """

    def __init__(self, url: str, key: str | None = None):
        self._rest = RestClient(url, key or ClientSettings().key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; runs go on."""
        self._rest.close()

    def start(self, config: Config) -> RemoteRun:
        """Upload the rows that a config names, and start a run.

        Raises:
            PadaError: the config cannot be read, or the service refuses it.
        """
        return RemoteRun(self._rest, self._rest.start(read_config(config)))

    def load(self, id: str) -> RemoteRun:
        """Open the run with this id.

        Raises:
            PadaError: there is none that the key sees.
        """
        self._rest.get(id)
        return RemoteRun(self._rest, id)

    def runs(self, status: RunStatus | None = None) -> list[RemoteRun]:
        """The runs that the key sees, the newest first."""
        return [RemoteRun(self._rest, run["id"]) for run in self._rest.runs(status)]


class RemoteRun:
    """A run of a service."""

    def __init__(self, rest: RestClient, id: str):
        self._rest = rest
        self.id = id
        """32 hexadecimal digits."""

    def __repr__(self) -> str:
        return f"<pada.RemoteRun {self.id!r}>"

    @property
    def state(self) -> dict[str, Any]:
        """Status with its reason, stage, progress, scores and cost, as `GET /v1/runs/{run}` has them."""
        return self._rest.get(self.id)

    @property
    def status(self) -> RunStatus:
        """`queued`, `running`, `paused`, `finished`, `failed` or `cancelled`."""
        status: RunStatus = self.state["status"]
        return status

    @property
    def report(self) -> Report:
        """The result.

        Raises:
            PadaError: the run has neither ended nor paused yet.
        """
        return self._rest.report(self.id)

    @property
    def review(self) -> dict[str, Any] | None:
        """The review that the run waits for, with the texts of its patterns or rows; None if it waits for none."""
        return self._rest.pending_review(self.id)

    def events(self) -> Iterator[Event]:
        """The events from the run's beginning, until it ends or waits for a user. Lost connections are made again."""
        for event in self._rest.events(self.id):
            yield event
            waits = isinstance(event, RunStatusChanged) and event.status not in AT_WORK
            if waits and self.status not in AT_WORK:  # an old pause is not the end
                return

    def wait(self, show: bool | Listener = True) -> RemoteRun:
        """Wait until the run has ended or waits for a user. Interrupting Python does not stop the run.

        Raises:
            PadaError: the run has failed or was cancelled.
        """
        with listener(show) as listen:
            for event in self.events():
                listen(event)
        state = self.state
        if state["status"] in ("failed", "cancelled"):
            raise PadaError(f"The run {self.id} is {state['status']}: {state['reason']}")
        return self

    def pause(self) -> RemoteRun:
        """Pause the run; a trainer at work stops within seconds."""
        return self._steer("pause")

    def resume(
        self, *, max_usd: float | None = None, max_calls: int | None = None, max_tokens: int | None = None
    ) -> RemoteRun:
        """Go on with a paused or failed run, with larger caps where they are given."""
        caps = {"max_usd": max_usd, "max_calls": max_calls, "max_tokens": max_tokens}
        budget = {name: cap for name, cap in caps.items() if cap is not None}
        return self._steer("resume", {"budget": budget} if budget else None)

    def cancel(self) -> RemoteRun:
        """End the run; its accepted rows stay."""
        return self._steer("cancel")

    def answer(self, answer: Mapping[str, Any] | None = None) -> RemoteRun:
        """Answer the review that the run waits for; see `pada.Run.answer`."""
        return self._steer("review", dict(answer or {}))

    def _steer(self, step: str, body: dict[str, Any] | None = None) -> RemoteRun:
        self._rest.steer(self.id, step, body)
        return self

    def download(self, folder: str | os.PathLike[str], *, weights: bool = False) -> Run:
        """Write the run's files into a folder, and open it. Files that are there already are written again.

        Args:
            weights: also the students' weights.

        Raises:
            PadaError: the service names a file outside of the folder.
        """
        root = Path(folder).expanduser().resolve()
        for name in self._rest.files(self.id):
            if weights or not name.endswith(WEIGHTS):
                self._rest.download(self.id, name, inside(root, name))
        return load(root)


def inside(root: Path, name: str) -> Path:
    """A file of the folder; the name comes from a server.

    Raises:
        PadaError: it leads out of the folder.
    """
    target = (root / name).resolve()
    if not target.is_relative_to(root) or target == root:
        raise PadaError(f"The service names a file outside of the run: {name!r}. It was not written.")
    return target
