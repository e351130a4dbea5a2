"""A stand-in for a vLLM server: its endpoints over real HTTP, answered by a small model or by rule.

The fields and status codes are those of vLLM's OpenAI-compatible server: /health, /v1/models, /v1/load_lora_adapter,
/v1/completions with token ids, `return_token_ids` and `prompt_logprobs`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any

from tests.http_server import QuietHandler

Greedy = Callable[[str, list[int], int, list[int]], list[int]]
"""(model, prompt, limit, stops) -> generated tokens, with the stop token."""
Logprobs = Callable[[str, list[int]], list[float]]
"""(model, prompt) -> log-probability of each token but the first."""


class Server(ThreadingHTTPServer):
    """What the server has, and what it was asked."""

    def __init__(self, port: int, base: str, greedy: Greedy, logprobs: Logprobs, *, lora: bool = True):
        super().__init__(("127.0.0.1", port), Handler)
        self.base, self.greedy, self.logprobs, self.lora = base, greedy, logprobs, lora
        self.adapters: dict[str, str] = {}
        self.requests: list[tuple[str, Any]] = []
        self.old = False
        self.lock = threading.Lock()


class Handler(QuietHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/health":
            return self._send(200, {})
        models = [{"id": self.server.base, "object": "model", "root": self.server.base, "parent": None}]
        models += [
            {"id": name, "object": "model", "root": path} for name, path in self.server.adapters.items()
        ]
        return self._send(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        body = json.loads(self.read_body())
        self.server.requests.append((self.path, body))
        if self.path == "/v1/load_lora_adapter" and self.server.lora:
            self.server.adapters[body["lora_name"]] = body["lora_path"]
            return self._send(200, "Success: LoRA adapter added successfully.")
        if self.path == "/v1/completions":
            if body["model"] not in (self.server.base, *self.server.adapters):
                return self._send(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
            choices = [self._choice(index, prompt, body) for index, prompt in enumerate(body["prompt"])]
            return self._send(200, {"object": "text_completion", "choices": choices[::-1]})
        return self._send(404, {"detail": "Not Found"})

    def _choice(self, index: int, prompt: list[int], body: dict[str, Any]) -> dict[str, Any]:
        assert body["temperature"] == 0
        stops = body.get("stop_token_ids", [])
        with self.server.lock:
            tokens = self.server.greedy(body["model"], prompt, body["max_tokens"], stops)
        choice = {
            "index": index,
            "text": "",
            "finish_reason": "stop" if tokens[-1] in stops else "length",
            "token_ids": tokens if body.get("return_token_ids") and not self.server.old else None,
        }
        if body.get("prompt_logprobs") is not None:
            with self.server.lock:
                found = self.server.logprobs(body["model"], prompt)
            rest = zip(prompt[1:], found, strict=True)
            choice["prompt_logprobs"] = [
                None,
                *({str(token): {"logprob": value, "rank": 1, "decoded_token": ""}} for token, value in rest),
            ]
        return choice

    def _send(self, status: int, body: Any) -> None:
        self.reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
