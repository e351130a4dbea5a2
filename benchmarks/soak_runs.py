"""The runs of `soak.py`: posted, resumed where they wait for somebody, and read at the end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.soak_checks import Evidence

RUNNING, WAITING = 4, 3
"""Runs at once, and runs that wait for their turn."""
END_SECONDS = 600.0
"""How long the runs may take to end once nothing fails any more."""
AWAY = (httpx.TransportError, httpx.HTTPStatusError)


@dataclass
class SoakedRuns:
    """What a user with patience does, who notes all of it."""

    url: str
    data: Path
    teacher: str
    rows: int
    """New rows of a round."""
    rounds: int
    evidence: Evidence

    def config(self, seed: int) -> dict[str, Any]:
        """The config of a run."""
        return {
            "task": "classification",
            "seed": seed,
            "data": {"folder": str(self.data)},
            "evaluate_untrained": False,
            "student": {"tune": "off"},
            "teacher": {
                "base_url": self.teacher,
                "model": "flaky",
                "api_key_env": "SOAK_KEY",
                "max_concurrency": 4,
                "timeout_seconds": 10,
                "backoff_seconds": 0.1,
            },
            "loop": {
                "rounds": self.rounds,
                "synthetic_per_round": self.rows,
                "samples_per_batch": 5,
                "oversample": 1,
                "patience": self.rounds,
                "max_analyses": 30,
            },
        }

    async def post(self, until: float) -> None:
        """Keep the service busy; each run is posted again under its key until it is accepted."""
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as http:
            number = 0
            while time.monotonic() < until:
                with suppress(*AWAY):
                    if await self.unfinished(http) < RUNNING + WAITING:
                        body = {"config": self.config(number)}
                        answer = await http.post(
                            "/v1/runs", json=body, headers={"Idempotency-Key": f"run-{number}"}
                        )
                        answer.raise_for_status()
                        self.evidence.posted[number] = answer.json()["id"]
                        number += 1
                        continue
                await asyncio.sleep(1)

    async def collect(self) -> None:
        """Wait for the last run, and note how each ended."""
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as http:
            with suppress(TimeoutError):  # the checks tell what has not ended by then
                async with asyncio.timeout(END_SECONDS):
                    await self.all_ended(http)
            for run in await self.documents(http):
                self.evidence.ended[run["id"]] = run
                if run["status"] != "finished":
                    continue  # the stream of its events does not end
                text = (await http.get(f"/v1/runs/{run['id']}/events")).text
                self.evidence.events[run["id"]] = [
                    int(line[4:]) for line in text.splitlines() if line.startswith("id: ")
                ]

    async def all_ended(self, http: httpx.AsyncClient) -> None:
        """Wait for the last run."""
        while True:
            with suppress(*AWAY):
                if await self.unfinished(http) == 0:
                    return
            await asyncio.sleep(1)

    async def unfinished(self, http: httpx.AsyncClient) -> int:
        """Runs that have not ended; those that wait for somebody are resumed."""
        documents = await self.documents(http)
        for run in documents:
            if run["status"] in ("paused", "failed"):
                self.evidence.stopped(run)
                (await http.post(f"/v1/runs/{run['id']}/resume")).raise_for_status()
        return sum(run["status"] != "finished" for run in documents)

    async def documents(self, http: httpx.AsyncClient) -> list[dict[str, Any]]:
        """All runs."""
        documents: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            page = (await http.get("/v1/runs", params=query)).raise_for_status().json()
            documents += page["items"]
            cursor = page["next"]
            if cursor is None:
                return documents
