"""The clients of the service in `load.py`, each in its own process. Takes a JSON object and prints one.

    python benchmarks/load_clients.py posts|polls|pages|readers|worker '{"url": ..., "key": ..., ...}'

`posts` starts runs, all at once. `polls` requests runs at a fixed rate. Its times count from when a request was due, so an
answer that delays the next request counts for both. `pages` reads the page with the list of runs. `readers` follows runs until SIGTERM, and prints `open` when every
stream has its first event. `worker` writes events as workers do, each in its own transaction.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.db.engine import make_engine, make_sessions
from app.db.leases import Lease, append_events
from app.db.run_summary import RunSummary, apply_event
from app.engine.events import TrainerProgress

Spec = dict[str, Any]
CONNECTIONS = 64
"""Maximum connections of `polls`."""


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, 99th percentile and largest, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": round(ordered[len(ordered) // 2] * 1000, 1),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1000, 1),
        "max_ms": round(ordered[-1] * 1000, 1),
    }


def client(spec: Spec, connections: int = 0) -> aiohttp.ClientSession:
    """A session with the key. 0 connections means no limit."""
    return aiohttp.ClientSession(
        spec["url"],
        headers={"Authorization": f"Bearer {spec['key']}"},
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def posts(spec: Spec) -> Spec:
    """Start `count` runs with `body`; returns their ids, and the time of the answers."""
    seconds: list[float] = []

    async def post(session: aiohttp.ClientSession, seed: int) -> str:
        began = time.perf_counter()
        body = {"config": spec["body"] | {"seed": seed}}
        async with session.post("/v1/runs", json=body) as answer:
            run = await answer.json()
            assert answer.status == 202, run
        seconds.append(time.perf_counter() - began)
        return str(run["id"])

    async with client(spec) as session:
        began = time.perf_counter()
        ids = await asyncio.gather(*(post(session, seed) for seed in range(spec["count"])))
        whole = time.perf_counter() - began
    return {"runs": ids, "seconds": round(whole, 2), **spread(seconds)}


async def polls(spec: Spec) -> Spec:
    """Request `runs` in turn, `rate` times per second, for `seconds`."""
    answered: list[float] = []
    late: list[float] = []

    async def poll(session: aiohttp.ClientSession, run: str, due: float) -> None:
        late.append(time.perf_counter() - due)
        async with session.get(f"/v1/runs/{run}") as answer:
            await answer.read()
            assert answer.status == 200, answer.status
        answered.append(time.perf_counter() - due)

    async with client(spec, CONNECTIONS) as session, asyncio.TaskGroup() as group:
        began = time.perf_counter()
        for number, run in zip(range(int(spec["rate"] * spec["seconds"])), cycle(spec["runs"]), strict=False):
            due = began + number / spec["rate"]
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(poll(session, run, due))
    return {"requests": len(answered), **spread(answered), "sent_late": spread(late)}


async def pages(spec: Spec) -> Spec:
    """Request the page with the list of runs, `count` times, one after the other."""
    seconds: list[float] = []
    async with client(spec) as session:
        for _ in range(spec["count"]):
            began = time.perf_counter()
            async with session.get("/") as answer:
                assert answer.status == 200, answer.status
                assert b"<table" in await answer.read()
            seconds.append(time.perf_counter() - began)
    return {"requests": len(seconds), "first_ms": round(seconds[0] * 1000, 1), **spread(seconds)}


async def readers(spec: Spec) -> Spec:
    """`count` streams over `runs`, until SIGTERM."""
    delays: list[float] = []
    opened: list[float] = []
    gaps = 0
    began = time.perf_counter()

    async def read(session: aiohttp.ClientSession, run: str) -> None:
        nonlocal gaps
        last = 0
        async with session.get(f"/v1/runs/{run}/events") as answer:
            assert answer.status == 200, answer.status
            async for line in answer.content:
                if not line.startswith(b"data: "):
                    continue
                event = json.loads(line[6:])
                gaps += event["id"] != last + 1
                last = event["id"]
                if last == 1:
                    opened.append(time.perf_counter() - began)
                    if len(opened) == spec["count"]:
                        print("open", flush=True)
                else:
                    delays.append(time.time() - event["time"])

    async with client(spec) as session:
        reading = [
            asyncio.create_task(read(session, run))
            for _, run in zip(range(spec["count"]), cycle(spec["runs"]), strict=False)
        ]
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, lambda: [task.cancel() for task in reading]
        )
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*reading)
    return {
        "readers": len(opened),
        "open_seconds": round(max(opened), 2),
        "delivered": len(delays),
        "gaps": gaps,
        "delay": spread(delays),
    }


async def worker(spec: Spec) -> Spec:
    """Write one event per run and second for `seconds`, evenly spaced, as the workers of `runs` do."""
    engine = make_engine(spec["database"])
    sessions = make_sessions(engine)
    seconds: list[float] = []
    began, gap = time.perf_counter(), 1 / len(spec["runs"])
    for number, run in zip(range(int(spec["seconds"] / gap)), cycle(spec["runs"]), strict=False):
        await asyncio.sleep(max(0.0, began + number * gap - time.perf_counter()))
        event = TrainerProgress(stage="train", step=number, steps=10_000, loss=0.5, time=time.time())
        summary = apply_event(RunSummary(stage="fine_tune"), event)
        due = time.perf_counter()
        async with sessions.begin() as session:
            assert await append_events(session, Lease(run, 0), [event], summary)
        seconds.append(time.perf_counter() - due)
    await engine.dispose()
    return {"events": len(seconds), "write": spread(seconds)}


def main() -> None:
    """Run one part, and print its result and its processor time."""
    parts: dict[str, Callable[[Spec], Coroutine[Any, Any, Spec]]] = {
        "posts": posts,
        "polls": polls,
        "pages": pages,
        "readers": readers,
        "worker": worker,
    }
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=parts)
    parser.add_argument("spec", type=json.loads, help="JSON object: `url`, `key`, and what the part needs")
    options = parser.parse_args()
    seen = asyncio.run(parts[options.part](options.spec))
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(seen | {"cpu_seconds": round(own.ru_utime + own.ru_stime, 2)}))


if __name__ == "__main__":
    main()
