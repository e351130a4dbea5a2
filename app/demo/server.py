"""The embedded teacher over HTTP: the OpenAI chat completions wire, on loopback."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.demo.teacher import answer

MODEL = "embedded-teacher"
DATA = re.compile(r"<data>(.*)</data>", re.DOTALL)
START_SECONDS = 10.0
STOP_SECONDS = 5.0


class Message(BaseModel):
    role: str
    content: str


class JsonSchema(BaseModel):
    name: str


class ResponseFormat(BaseModel):
    type: Literal["json_schema"]
    json_schema: JsonSchema


class ChatRequest(BaseModel):
    """The part of a chat completion request that the teacher reads."""

    model: str
    messages: list[Message]
    response_format: ResponseFormat


def create_app() -> FastAPI:
    """`POST /v1/chat/completions` with `response_format` json_schema, and `GET /v1/models`."""
    app = FastAPI(title="Embedded teacher", openapi_url=None)
    app.add_api_route("/v1/models", models, methods=["GET"])
    app.add_api_route("/v1/chat/completions", complete, methods=["POST"])
    for error in (ValueError, RequestValidationError):
        app.add_exception_handler(error, refuse)
    return app


async def models() -> dict[str, Any]:
    """The one model."""
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "pada"}]}


async def complete(request: ChatRequest) -> dict[str, Any]:
    """Answer in the schema that the request names."""
    content = answer(request.response_format.json_schema.name, data_block(request.messages)).model_dump_json()
    asked, answered = sum(map(tokens, (message.content for message in request.messages))), tokens(content)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """An error in the shape that OpenAI clients expect."""
    detail = {"message": str(error), "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": detail}, status_code=400)


def data_block(messages: list[Message]) -> dict[str, Any]:
    """The JSON object between `<data>` and `</data>` in the last message.

    Raises:
        ValueError: there is none.
    """
    match = DATA.search(messages[-1].content) if messages else None
    data = json.loads(match.group(1)) if match else None
    if not isinstance(data, dict):
        raise ValueError("the last message must hold one JSON object between <data> and </data>")
    return data


def tokens(text: str) -> int:
    """About as many tokens as a large model's tokenizer counts in English: one for four characters."""
    return max(1, len(text) // 4)


@contextmanager
def serve(port: int = 0) -> Iterator[str]:
    """Run the teacher in a thread of this process; yields the base URL, such as `http://127.0.0.1:41234/v1`.

    Args:
        port: 0 takes a free one.

    Raises:
        OSError: the port is taken.
        RuntimeError: the server did not start in time.
    """
    # asyncio turns off Nagle's delay (40 ms per reply) only for sockets that name their protocol
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(create_app(), log_level="warning", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="embedded-teacher", daemon=True
        )
        thread.start()
        try:
            wait_until_started(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)


def wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    """Raises RuntimeError when the server's thread ends early or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the embedded teacher did not start")
        time.sleep(0.01)
