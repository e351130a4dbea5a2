"""OpenAI's own client against a service, and rows for it to send."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import openai

from app.db.api_keys import Scope
from tests.app.api.http_service import Service
from tests.app.api.keys.test_auth import make_key

STUDENT = "builtin:smollm2-135m"
LABELS = ("refund", "delivery", "login")


def client_of(service: Service, scope: Scope | None = None) -> openai.OpenAI:
    """A client without retries; with a new key of this scope, or with one that the service does not know."""
    key = make_key(service, scope)[1] if scope else "sk-any"
    return openai.OpenAI(base_url=f"{service.url}/v1", api_key=key, max_retries=0)


def chat(number: int) -> dict[str, Any]:
    """A row of three turns."""
    label = LABELS[number % 3]
    return {
        "messages": [
            {"role": "system", "content": "Sort the message."},
            {
                "role": "user",
                "content": f"Message {number * 7} about order {number}: it is a {label} matter.",
            },
            {"role": "assistant", "content": label},
        ]
    }


def pair(number: int) -> dict[str, Any]:
    """A row of a prompt and its completion."""
    return {
        "prompt": f"Order {number} and {number * 7}, {LABELS[number % 3]}?",
        "completion": LABELS[number % 3],
    }


def jsonl(rows: Sequence[object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


CHATS = jsonl([chat(number) for number in range(60)])


def upload(client: openai.OpenAI, content: bytes = CHATS, name: str = "tickets.jsonl") -> str:
    """The id of a new file."""
    return client.files.create(file=(name, content), purpose="fine-tune").id


def config_of(service: Service, job: str) -> dict[str, Any]:
    """The config of a job's run."""
    ((config,),) = service.sql("SELECT config FROM runs WHERE id = ?", job.removeprefix("ftjob-"))
    document: dict[str, Any] = json.loads(config)
    return document
