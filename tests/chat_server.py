"""The base of the teachers of the tests: an OpenAI-compatible HTTP server on loopback."""

from __future__ import annotations

import json
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

USAGE = (100, 20)
"""Prompt and completion tokens of an answer."""


class ChatServer(ABC):
    """Serves in a thread while its `with` block runs; `url` is the teacher's `base_url`."""

    url: str
    port: int
    models: Sequence[dict[str, Any]] = ()
    """What GET `/v1/models` lists; without one there is no such path."""

    @abstractmethod
    async def complete(self, request: Request) -> Response:
        """Answer one POST to `/v1/chat/completions`."""

    def __enter__(self) -> Self:
        routes = [Route("/v1/chat/completions", self.complete, methods=["POST"])]
        app = Starlette(routes=[*routes, Route("/v1/models", self.list_models)])
        config = uvicorn.Config(
            app, port=0, log_level="critical", timeout_graceful_shutdown=1, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        threading.Thread(target=self._server.run, daemon=True).start()
        while not self._server.started:
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    def list_models(self, request: Request) -> Response:
        """Answer GET `/v1/models`."""
        listed = [{"object": "model", "created": 0, "owned_by": "x", **model} for model in self.models]
        return JSONResponse({"object": "list", "data": listed}, 200 if listed else 404)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # the thread ends by itself within a tick of the server's loop, so nothing waits for it
        self._server.should_exit = self._server.force_exit = True


def data_of(body: dict[str, Any]) -> dict[str, Any]:
    """What stands between the first <data> and the first </data> of a request's last message."""
    block = re.search(r"<data>(.*?)</data>", body["messages"][-1]["content"], re.DOTALL)
    assert block, "no data block"
    data: dict[str, Any] = json.loads(block.group(1))
    return data


def completion(
    model: str,
    message: dict[str, Any],
    *,
    reason: str = "stop",
    usage: tuple[int, int] | dict[str, Any] | None = USAGE,
) -> dict[str, Any]:
    """A chat completion.

    Args:
        message: the assistant's message, without its role.
        reason: why the answer ended.
        usage: prompt and completion tokens, or the whole object; None reports none.
    """
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [choice],
    }
    if usage is None:
        return body
    if isinstance(usage, dict):
        return body | {"usage": usage}
    prompt, answer = usage
    tokens = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    return body | {"usage": tokens}
