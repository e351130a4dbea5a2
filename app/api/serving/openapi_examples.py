"""Examples for the OpenAPI document: one student, and what it says."""

from __future__ import annotations

from typing import Any

RUN = "7b1e0c52d94f4a6f8f3b2a1c0d9e8f70"
CREATED = 1767225600

MODEL: dict[str, Any] = {"id": RUN, "object": "model", "created": CREATED, "owned_by": "pada"}
MODELS: dict[str, Any] = {"object": "list", "data": [MODEL, MODEL | {"id": f"{RUN}:baseline"}]}
USAGE = {"prompt_tokens": 19, "completion_tokens": 1, "total_tokens": 20}
ANSWERED: dict[str, Any] = {"created": CREATED, "model": RUN, "usage": USAGE}

CHAT_REQUEST: dict[str, Any] = {
    "model": RUN,
    "messages": [{"role": "user", "content": "Where is my parcel?"}],
}
CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "delivery"}, "finish_reason": "stop"}
    ],
    **ANSWERED,
}
COMPLETION_REQUEST: dict[str, Any] = {"model": RUN, "prompt": "Request: Where is my parcel?\nLabel:"}
COMPLETION: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "choices": [{"index": 0, "text": " delivery", "finish_reason": "stop"}],
    **ANSWERED,
}
