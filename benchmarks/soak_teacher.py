"""The teacher of `soak.py`: that of `loop_teacher.py`, which fails at random in every way that a real endpoint does.

The log has one JSON line per call: run, SHA-256 of what was asked, what was done with it, start and end (seconds), and
whether the answer could be used.

    python benchmarks/soak_teacher.py --log CALLS.jsonl [--latency 0.1] [--share 0.15]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sys
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any, TextIO

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.loop_teacher import Teacher

HTML = "<html><body>Bad gateway</body></html>"
BUSY = {"error": {"message": "rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
WRONG = {"error": {"message": "it went wrong", "type": "server_error", "code": None}}
USABLE = ("ok", "fenced", "no usage")


class FlakyTeacher(Teacher):
    """Misbehaves in `share` of the calls."""

    def __init__(self, latency: float, log: TextIO, share: float):
        super().__init__(latency, Path("/dev/null").open("w"))  # noqa: SIM115
        self._calls, self._share = log, share

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                await self._answer(fields.get("x-run-id", ""), body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, run: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        kind = random.choice(list(FAULTS)) if random.random() < self._share else "ok"
        request = json.loads(body)
        asked = request["response_format"]["json_schema"]["name"] + request["messages"][-1]["content"]
        call = {
            "run": run,
            "asked": hashlib.sha256(asked.encode()).hexdigest(),
            "kind": kind,
            "began": time.time(),
        }
        reply = await self.complete(body)
        try:
            await FAULTS.get(kind, right)(reply, writer)
            call["ended"] = time.time()
        finally:
            self._calls.write(json.dumps(call | {"usable": kind in USABLE and "ended" in call}) + "\n")
            self._calls.flush()


async def send(writer: asyncio.StreamWriter, status: int, body: bytes, *headers: str) -> None:
    """One whole answer."""
    lines = [
        f"HTTP/1.1 {status} X",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()


async def right(reply: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """The answer as it is."""
    await send(writer, 200, json.dumps(reply).encode())


def status(code: int, body: Any, *headers: str) -> Any:
    """A refusal."""

    async def refuse(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await send(writer, code, (body if isinstance(body, str) else json.dumps(body)).encode(), *headers)

    return refuse


def content(change: Any, **more: Any) -> Any:
    """A completion with another text; `more` changes its choice."""

    async def changed(reply: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        choice = reply["choices"][0]
        message = choice["message"] | {"content": change(choice["message"]["content"])}
        await right(reply | {"choices": [choice | {"message": message} | more]}, writer)

    return changed


async def no_usage(reply: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """The answer without what it cost."""
    await right({key: value for key, value in reply.items() if key != "usage"}, writer)


async def by_date(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """A rate limit until a moment."""
    await send(
        writer, 429, json.dumps(BUSY).encode(), f"Retry-After: {formatdate(time.time() + 1, usegmt=True)}"
    )


async def refusal(reply: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """OpenAI's refusal beside no content."""
    message = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    await right(reply | {"choices": [reply["choices"][0] | {"message": message}]}, writer)


async def cut(reply: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """The connection closes in the middle of the body."""
    body = json.dumps(reply).encode()
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
    await writer.drain()
    raise ConnectionError


async def closed(_: dict[str, Any], __: asyncio.StreamWriter) -> None:
    """The connection closes without a word."""
    raise ConnectionError


async def hang(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """No answer, longer than anybody waits."""
    await asyncio.sleep(60)
    raise ConnectionError


async def trickle(reply: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """A few bytes at a time, too slowly."""
    body = json.dumps(reply).encode()
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    for place in range(0, 30):
        writer.write(body[place : place + 1])
        await writer.drain()
        await asyncio.sleep(1)
    raise ConnectionError


FAULTS: dict[str, Any] = {
    "429": status(429, BUSY),
    "429 in seconds": status(429, BUSY, "Retry-After: 1"),
    "429 in milliseconds": status(429, BUSY, "Retry-After-Ms: 300"),
    "429 until a date": by_date,
    "500": status(500, WRONG),
    "502 in HTML": status(502, HTML),
    "503 for a second": status(503, WRONG, "Retry-After: 1"),
    "529": status(529, WRONG),
    "408": status(408, WRONG),
    "a page": status(200, HTML),
    "an error with 200": status(200, WRONG),
    "no body": status(200, ""),
    "no usage": no_usage,
    "refusal": refusal,
    "filtered": content(lambda _: "", finish_reason="content_filter"),
    "cut at the limit": content(lambda text: text[: len(text) // 2], finish_reason="length"),
    "half of the JSON": content(lambda text: text[: len(text) // 2]),
    "prose": content(lambda _: "I would rather tell you a story."),
    "another shape": content(lambda _: '{"verdict": "fine"}'),
    "no Unicode": content(lambda text: text + "\udc80"),
    "fenced": content(lambda text: f"<think>Which?</think>Here it is:\n```json\n{text}\n```"),
    "cut body": cut,
    "closed": closed,
    "no answer": hang,
    "a byte a second": trickle,
}
"""Name -> what is done with an answer."""


async def main() -> None:
    """Serve on loopback until the process ends. The first line on standard output is the base URL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--latency", type=float, default=0.1, help="median seconds of a call")
    parser.add_argument("--share", type=float, default=0.15, help="share of the calls that it fails")
    options = parser.parse_args()
    with options.log.open("a", encoding="utf-8") as log:
        teacher = FlakyTeacher(options.latency, log, options.share)
        server = await asyncio.start_server(teacher.serve, "127.0.0.1", 0, limit=2**24)
        sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
