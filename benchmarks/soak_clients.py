"""The clients of `soak.py`: each polls, lists, follows events and reads pages, and counts what it was answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

PAUSE_SECONDS = 1.0
FOLLOW_SECONDS = 20.0


@dataclass
class Seen:
    """What all clients saw together."""

    statuses: Counter[str] = field(default_factory=Counter)
    """Status, or the kind of a broken connection -> requests."""
    seconds: list[float] = field(default_factory=list)
    events: int = 0
    gaps: int = 0


async def client(url: str, seen: Seen, number: int) -> None:
    """One client, until it is cancelled."""
    rng, runs = random.Random(number), [""]
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        while True:
            await asyncio.sleep(rng.uniform(0, 2 * PAUSE_SECONDS))
            run = rng.choice(runs)
            paths = [
                "/v1/runs?limit=20",
                "/",
                f"/v1/runs/{run}",
                f"/v1/runs/{run}/report",
                f"/runs/{run}",
                "/metrics",
            ]
            try:
                if run and rng.random() < 0.2:
                    await follow(http, run, seen)
                    continue
                began = time.perf_counter()
                path = rng.choice(paths if run else paths[:1])
                answer = await http.get(path)
                seen.seconds.append(time.perf_counter() - began)
                seen.statuses[str(answer.status_code)] += 1
                if path == paths[0] and answer.status_code == 200:
                    runs = [item["id"] for item in answer.json()["items"]] or [""]
            except httpx.TransportError as error:
                seen.statuses[type(error).__name__] += 1


async def follow(http: httpx.AsyncClient, run: str, seen: Seen) -> None:
    """Follow a run from its beginning for a while; its events must come in order without a gap."""
    last = 0
    try:
        async with asyncio.timeout(FOLLOW_SECONDS), http.stream("GET", f"/v1/runs/{run}/events") as answer:
            seen.statuses[str(answer.status_code)] += 1
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    seen.events += 1
                    seen.gaps += int(line[4:]) != last + 1
                    last = int(line[4:])
    except TimeoutError:
        pass
