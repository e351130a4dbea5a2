"""A teacher over HTTP that misbehaves on request, for the tests of the teacher's client.

It is not `tests.scripted_teacher_server`: here a script decides by position how each request fails, and a good answer
is always the same; there the answer follows from the request's content, so that a whole run makes sense.

    with FlakyServer(["429:1", "500", "prose"]) as server:
        ...  # the first three calls misbehave, the rest are answered
        server.calls[0].headers, server.calls[0].body

Words of the script:

    ok            a good answer                      429, 429:S     rate limit, with Retry-After S seconds
    429-date:S    the same as an HTTP date           429-ms:M       the same in milliseconds
    402           the account is empty               quota          429 insufficient_quota
    500, 408 ...  that status                        401            refused, and repeats the key
    404-model     unknown model                      400            a request that is wrong for good
    empty         200 without a body                 html           200 with a page
    half          JSON cut in the middle             length         cut at the token limit (finish_reason length)
    prose         text without JSON                  fenced         the answer in a code fence, after prose
    misfit        JSON of another shape              slow:S         a good answer after S seconds
    hang          no answer at all                   drop           the connection closes in the middle
    no-usage      a good answer without usage        413            the request is too large
    refusal       OpenAI's `refusal` beside no content
    filtered      no content (finish_reason content_filter); filtered-late after half of the answer
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Self

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.chat_server import USAGE, ChatServer, completion, data_of

ANSWERS: dict[str, dict[str, Any]] = {
    "ErrorAnalysis": {"root_cause": "It confuses two labels.", "scenario": "Questions about cards."},
    "FailurePattern": {"name": "Cards", "description": "Cards are confused."},
    "AugmentationStrategy": {"title": "More cards", "instructions": "Write questions about cards."},
    "SampleBatch": {"samples": [{"prompt": "Where is my card?", "completion": "card_arrival"}]},
    "QualityReport": {"adherence": 8, "utility": 7, "relevance": 9, "rejected": [], "feedback": "Sound."},
}


@dataclass
class Seen:
    """One request as it came."""

    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes
    time: float
    word: str
    query: str = ""

    @property
    def mode(self) -> str:
        """json_schema, function_calling or json_mode."""
        if self.body.get("tools"):
            return "function_calling"
        kind = (self.body.get("response_format") or {}).get("type")
        return "json_schema" if kind == "json_schema" else "json_mode"

    @property
    def schema(self) -> str:
        """Name of the schema asked for; in JSON mode it is found by its fields."""
        if self.mode == "json_schema":
            return str(self.body["response_format"]["json_schema"]["name"])
        if self.mode == "function_calling":
            return str(self.body["tools"][0]["function"]["name"])
        system = self.body["messages"][0]["content"]
        return next(name for name, answer in ANSWERS.items() if all(f'"{key}"' in system for key in answer))

    @property
    def data(self) -> Any:
        """The data block."""
        return data_of(self.body)


@dataclass
class FlakyServer(ChatServer):
    """See the module. `usage` fixes (prompt, completion) tokens, or the whole object; `modes` are those it knows, others get
    a 400; `answers_as` is the model that it says it is."""

    script: Iterable[str] | Callable[[int], str] = ()
    modes: tuple[str, ...] = ("json_schema", "function_calling", "json_mode")
    latency: float = 0.0
    usage: tuple[int, int] | dict[str, Any] = USAGE
    answers_as: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of a completion."""
    refusal: int = 400
    refused: tuple[str, ...] = ()
    """Parameters that it does not know."""
    hint: str = ""
    """What it says besides."""
    calls: list[Seen] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    async def first_call(self) -> None:
        """Waits until something has been asked."""
        assert await asyncio.to_thread(self._asked.wait, 10), "nothing was asked"

    def __enter__(self) -> Self:
        if not callable(self.script):
            words = list(self.script)
            self.script = lambda n: words[n] if n < len(words) else "ok"
        self._asked = threading.Event()
        return super().__enter__()

    @property
    def words(self) -> list[str]:
        """What was done with each request, in order."""
        return [call.word for call in self.calls]

    async def complete(self, request: Request) -> Response:
        """Note the request, and do with it what the script says."""
        raw = await request.body()
        assert callable(self.script)
        word = self.script(len(self.calls))
        seen = Seen(dict(request.headers), json.loads(raw), raw, time.monotonic(), word, request.url.query)
        self.calls.append(seen)
        self._asked.set()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._respond(seen)
        finally:
            self.in_flight -= 1

    async def _respond(self, seen: Seen) -> Response:
        word, _, value = seen.word.partition(":")
        if word == "429":
            return _error(429, "rate limit reached", headers={"retry-after": value} if value else {})
        if word == "429-ms":
            return _error(429, "rate limit reached", headers={"retry-after-ms": value, "retry-after": "60"})
        if word == "429-date":
            when = formatdate(time.time() + float(value), usegmt=True)
            return _error(429, "rate limit reached", headers={"retry-after": when})
        if word == "quota":
            return _error(429, "You exceeded your current quota", code="insufficient_quota")
        if word == "401":
            return _error(401, f"Incorrect API key provided, these were sent: {seen.headers}")
        if word == "404-model":
            return _error(404, f"The model `{seen.body['model']}` does not exist", code="model_not_found")
        if word.isdigit():
            return _error(int(word), "it went wrong")
        if word == "empty":
            return Response("", media_type="application/json")
        if word == "html":
            return Response("<html>Sign in</html>", media_type="text/html")
        if word == "hang":
            await asyncio.sleep(3600)
        if word == "drop":
            return Response("{", headers={"content-length": "1000"}, media_type="application/json")
        if unknown := [name for name in self.refused if name in seen.body]:
            return _error(
                400, f"Unsupported parameter: '{unknown[0]}' is not supported with this model.{self.hint}"
            )
        if seen.mode not in self.modes:
            return _error(self.refusal, f"{seen.mode} is not supported here")
        await asyncio.sleep(float(value) if word == "slow" else self.latency)
        return JSONResponse(self._completion(seen, word))

    def _completion(self, seen: Seen, word: str) -> dict[str, Any]:
        answer = json.dumps(ANSWERS[seen.schema])
        texts = {
            "half": answer[: len(answer) // 2],
            "length": answer[: len(answer) // 2],
            "filtered-late": answer[: len(answer) // 2],
            "prose": "I would rather tell you a story about a card.",
            "fenced": f"<think>Which {{fields}}?</think>Here it is:\n```json\n{answer}\n```\nAnything else?",
            "misfit": json.dumps({"verdict": "fine"}),
        }
        text = texts.get(word, answer)
        message: dict[str, Any] = {"content": text}
        if word == "refusal":
            message = {"content": None, "refusal": "I can't help with that card."}
        elif word == "filtered":
            message = {"content": ""}
        elif seen.mode == "function_calling":
            function = {"name": seen.schema, "arguments": text}
            message = {
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            }
        return self.extra | completion(
            self.answers_as or seen.body["model"],
            message,
            reason={"length": "length", "filtered": "content_filter", "filtered-late": "content_filter"}.get(
                word, "stop"
            ),
            usage=None if word == "no-usage" else self.usage,
        )


def _error(
    status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return JSONResponse(body, status, headers or {})
