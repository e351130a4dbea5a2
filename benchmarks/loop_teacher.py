"""The scripted teacher of `loop.py`: an OpenAI-compatible server that needs little time and logs every call.

It writes distinct rows of random common words with labels from the request, rejects one batch in eight once, and answers
after a log-normal latency. The log has one JSON line per call: stage, batch, start and end (seconds), and the SHA-256 of
the request body.

    python benchmarks/loop_teacher.py --log CALLS.jsonl [--latency 0.4] [--port 8398]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any, TextIO

SPREAD = 0.25
"""Standard deviation of the latency's logarithm: 19 in 20 calls take between 0.6 and 1.6 times the median."""
REJECT = 8
"""One batch in this many is rejected once."""
VOCABULARY = """account address again amount app arrive ask atm balance bank bill block book branch break buy call cancel card
cash change charge check cheque choose city claim clear close code coin company confirm copy correct cost country credit
currency customer date day debit decline delay deliver deposit different direct dollar double early email empty enter
error euro exchange expect explain extra fail fast fee find fix foreign form free friend fund give go help home hotel
hour how identity income increase instead issue job keep key know last late leave limit link list loan lock long lose
lower machine mail make market match mean missing mobile money month more move name need new night note notice number
offer old online open order other owner paper parcel partner pass pay pending phone pin place plan please point post
price problem proof question quick rate reach read reason receipt receive refund reject release remove rent replace
report request reset return reverse rule safe salary same save say security see sell send service set share shop show
sign slow sort source start statement status step still stolen stop store street swap switch take tax terminal test
thing ticket time today top total track trade train transfer travel trip trust try twice update use verify visit wait
wallet want week what when where why wire work world wrong year yesterday"""
WORDS = VOCABULARY.split()


def words(rng: random.Random, count: int) -> str:
    """This many random common words, so that no two texts are the same."""
    return " ".join(rng.choices(WORDS, k=count))


class Teacher:
    """Answers by schema name and remembers the batch of each sample."""

    def __init__(self, latency: float, log: TextIO):
        self._latency, self._log = latency, log
        self._batches: dict[str, str] = {}
        self._rejected: set[str] = set()

    async def complete(self, body: bytes) -> dict[str, Any]:
        """One chat completion."""
        began = time.time()
        request = json.loads(body)
        stage = request["response_format"]["json_schema"]["name"]
        message = request["messages"][-1]["content"]
        data = json.loads(message[message.index("<data>") + 6 : message.rindex("</data>")])
        digest = hashlib.sha256(body).hexdigest()
        answer = getattr(self, stage)(data, random.Random(digest))
        if self._latency:
            await asyncio.sleep(random.lognormvariate(math.log(self._latency), SPREAD))
        batch = data.get("batch") or (
            self._batches[data["samples"][0]["prompt"]] if "samples" in data else ""
        )
        call = {"stage": stage, "batch": batch, "began": began, "ended": time.time(), "body": digest}
        self._log.write(json.dumps(call) + "\n")
        self._log.flush()
        content = json.dumps(answer)
        prompt_tokens, completion_tokens = len(message) // 4, len(content) // 4
        return {
            "id": digest,
            "object": "chat.completion",
            "created": int(began),
            "model": request["model"],
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }

    def TaskDescription(self, data: dict[str, Any], rng: random.Random) -> dict[str, Any]:  # noqa: N802
        return {"description": f"Each text of common words gets its answer. {data['answers']['judged']}"}

    def ErrorAnalysis(self, data: dict[str, Any], rng: random.Random) -> dict[str, Any]:  # noqa: N802
        cause = f"It confuses {data['expected']} with {data['predicted']}"
        return {"root_cause": f"{cause}: {words(rng, 4)}.", "scenario": f"Texts on {data['expected']}."}

    def FailurePattern(self, data: dict[str, Any], rng: random.Random) -> dict[str, Any]:  # noqa: N802
        return {"name": words(rng, 3), "description": data["analyses"][0]["root_cause"]}

    def AugmentationStrategy(self, data: dict[str, Any], rng: random.Random) -> dict[str, Any]:  # noqa: N802
        return {"title": data["pattern"]["name"], "instructions": data["pattern"]["description"]}

    def SampleBatch(self, data: dict[str, Any], rng: random.Random) -> dict[str, Any]:  # noqa: N802
        labels = [row["completion"] for row in data["examples"]]
        rows = [{"prompt": words(rng, 12), "completion": rng.choice(labels)} for _ in range(data["count"])]
        self._batches.update((row["prompt"], data["batch"]) for row in rows)
        return {"samples": rows}

    def QualityReport(self, data: dict[str, Any], rng: random.Random) -> dict[str, Any]:  # noqa: N802
        batch = self._batches[data["samples"][0]["prompt"]]
        reject = batch not in self._rejected and hashlib.sha256(batch.encode()).digest()[0] % REJECT == 0
        if reject:
            self._rejected.add(batch)
        score = 4 if reject else 9
        return {
            "adherence": score,
            "utility": score,
            "relevance": score,
            "rejected": [],
            "feedback": "Vary more.",
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one keep-alive HTTP/1.1 connection. Every request gets a completion."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
                reply = json.dumps(await self.complete(await reader.readexactly(length))).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(reply)}\r\n\r\n"
                writer.write(head.encode() + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main() -> None:
    """Serve on loopback until the process ends. The first line on standard output is the base URL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument(
        "--latency", type=float, default=0.4, help="median seconds of a call; 0 answers immediately"
    )
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with options.log.open("a", encoding="utf-8") as log:
        teacher = Teacher(options.latency, log)
        server = await asyncio.start_server(teacher.serve, "127.0.0.1", options.port, limit=2**24)
        port = server.sockets[0].getsockname()[1]
        sys.stdout.write(f"http://127.0.0.1:{port}/v1\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
