"""The embedding client against a child process that speaks the worker's lines and writes down what it was asked."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from app.launchers import embedder
from app.launchers.embedder import EmbeddingWorker
from graphs.errors import LoopError
from tests.processes import alive, still_alive

WORKER = """
import base64, json, sys, time
import numpy as np
for line in sys.stdin:
    texts = json.loads(line)["texts"]
    with open(sys.argv[1], "a") as log:
        log.write(json.dumps(texts) + "\\n")
    time.sleep(0.05)
    if "end" in texts:
        sys.exit(3)
    if "bad" in texts:
        print(json.dumps({"error": "cannot embed this"}), flush=True)
        continue
    rows = np.array([[len(text), ord(text[0])] for text in texts], dtype="<f4")
    print(json.dumps({"shape": rows.shape, "data": base64.b64encode(rows.tobytes()).decode()}), flush=True)
"""


class Scripted(EmbeddingWorker):
    """The client with another program as its child."""

    def __init__(self, log: Path):
        super().__init__("scripted")
        self.log = log

    async def start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        self._child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, str(self.log), stdin=pipe, stdout=pipe
        )
        return self._child

    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Scripted]:
    client = Scripted(tmp_path / "asked.jsonl")
    yield client
    await client.aclose()


def vectors(*texts: str) -> list[list[float]]:
    return [[float(len(text)), float(ord(text[0]))] for text in texts]


async def test_each_caller_gets_its_own_vectors_in_order(worker: Scripted) -> None:
    answers = await asyncio.gather(
        worker.embed(["aa", "b"]), worker.embed(["ccc"]), worker.embed(["b", "dd"])
    )
    assert [answer.tolist() for answer in answers] == [vectors("aa", "b"), vectors("ccc"), vectors("b", "dd")]


async def test_callers_that_wait_are_asked_for_together(worker: Scripted) -> None:
    await asyncio.gather(*(worker.embed([f"{number} text"]) for number in range(20)))
    assert len(worker.asked()) <= 2


async def test_a_text_is_asked_for_once(worker: Scripted) -> None:
    await worker.embed(["one", "two", "one"])
    again = await worker.embed(["two", "three", "one"])
    assert again.tolist() == vectors("two", "three", "one")
    assert worker.asked() == [["one", "two"], ["three"]]


async def test_the_oldest_texts_are_forgotten(worker: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "REMEMBERED", 2)
    for text in ("one", "two", "three", "one"):
        await worker.embed([text])
    assert worker.asked() == [["one"], ["two"], ["three"], ["one"]]


async def test_no_texts_are_no_vectors(worker: Scripted) -> None:
    assert len(await worker.embed([])) == 0


async def test_an_error_reaches_the_caller_and_the_next_call_works(worker: Scripted) -> None:
    with pytest.raises(LoopError, match="cannot embed this"):
        await worker.embed(["bad"])
    assert (await worker.embed(["good"])).tolist() == vectors("good")


async def test_an_ended_process_is_an_error_with_its_exit_code(worker: Scripted) -> None:
    with pytest.raises(LoopError, match="ended with code 3"):
        await worker.embed(["end"])
    assert np.array_equal(await worker.embed(["new"]), vectors("new"))


async def test_a_killed_process_is_started_again(worker: Scripted) -> None:
    child = await worker.start()
    child.kill()
    assert np.array_equal(await worker.embed(["new"]), vectors("new"))


async def test_closing_does_not_wait_for_work(worker: Scripted) -> None:
    asking = asyncio.create_task(worker.embed(["slow"]))
    await asyncio.sleep(0.02)
    await asyncio.wait_for(worker.aclose(), 2)
    asking.cancel()


STARTS = """
import asyncio, time
from app.launchers.embedder import EmbeddingWorker

async def start():
    print((await EmbeddingWorker("builtin:minilm").start()).pid, flush=True)
    time.sleep(60)

asyncio.run(start())
"""


def test_it_ends_with_its_run_even_while_it_loads() -> None:
    """Loading takes seconds in which it does not look at its input."""
    run = subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    worker = int(run.stdout.readline())
    assert alive(worker)
    run.kill()
    run.communicate()
    assert still_alive([worker], 1) == []
