"""A teacher over HTTP that knows the answers of `tests.tiny_task`, and a record of everything that it was asked.

It answers from the request's own content alone, so that the same request has the same answer in every run and
process. What it knows of the errors reaches the rows that it writes only by way of the prompts: analysis, pattern, strategy.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.background import BackgroundTask

from tests.tiny_task import KEYS, ask, label_of

MEANS = re.compile(r"`(\w+)` means (\w+)")


@dataclass
class Asked:
    """One request as it came."""

    schema: str
    data: dict[str, Any]
    run: str
    authorization: str
    text: str
    """The whole body."""
    began: float
    sent: float | None = None
    """When the whole answer was on its way; None while it is not."""

    def whole(self) -> None:
        """Called once the last byte is handed over."""
        self.sent = time.time()

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass
class ScriptedTeacherServer:
    """See the module.

    `fault` may give another response than the right one, or None; `answers` is another script, for rows that are not
    those of `tests.tiny_task`; `latency` is in seconds.
    """

    latency: float = 0.0
    fault: Callable[[str, dict[str, Any]], Response | None] = lambda schema, data: None
    answers: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda schema, data: answer(schema, data)
    seen: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        config = uvicorn.Config(
            self._app(), port=0, log_level="critical", timeout_graceful_shutdown=1, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        threading.Thread(target=self._server.run, daemon=True).start()
        while not self._server.started:
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = self._server.force_exit = True

    def of_run(self, run: str) -> list[Asked]:
        """The requests of one run."""
        return [request for request in self.seen if request.run == run]

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def complete(request: Request) -> Response:
            text = (await request.body()).decode()
            body = json.loads(text)
            schema = body["response_format"]["json_schema"]["name"]
            data = data_of(body)
            headers = request.headers
            seen = Asked(
                schema, data, headers.get("x-run-id", ""), headers.get("authorization", ""), text, time.time()
            )
            self.seen.append(seen)
            await asyncio.sleep(self.latency)
            if (other := self.fault(schema, data)) is not None:
                return other
            text = json.dumps(completion(body["model"], json.dumps(self.answers(schema, data))))
            return Response(text, media_type="application/json", background=BackgroundTask(seen.whole))

        return app


def data_of(body: dict[str, Any]) -> dict[str, Any]:
    """The data block of a request."""
    block = re.search(r"<data>(.*?)</data>", body["messages"][-1]["content"], re.DOTALL)
    assert block, "no data block"
    data: dict[str, Any] = json.loads(block.group(1))
    return data


def completion(model: str, text: str) -> dict[str, Any]:
    """A chat completion with 100 + 20 tokens."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def answer(schema: str, data: dict[str, Any]) -> dict[str, Any]:
    """The scripted teacher's answer in a schema."""
    return ANSWERS[schema](data)


def analyse(data: dict[str, Any]) -> dict[str, Any]:
    key = next(key for key in KEYS[data["expected"]] if key in data["prompt"].split())
    return {
        "root_cause": f"The student does not know that `{key}` means {data['expected']}.",
        "scenario": f"Requests of the kind {data['expected']}.",
    }


def name_pattern(data: dict[str, Any]) -> dict[str, Any]:
    pairs = Counter(pair for a in data["analyses"] for pair in MEANS.findall(a["root_cause"]))
    label = Counter(label for _, label in pairs).most_common(1)[0][0]
    said = ", ".join(f"`{key}` means {label}" for key, label in sorted(pairs))
    return {"name": f"Unknown words for {label}", "description": f"Not known to the student: {said}."}


def plan(data: dict[str, Any]) -> dict[str, Any]:
    return {"title": data["pattern"]["name"], "instructions": data["pattern"]["description"]}


def write(data: dict[str, Any]) -> dict[str, Any]:
    """As many right rows as asked for, other ones for every other request; one in eight is empty or mislabelled."""
    rng = random.Random(json.dumps(data, sort_keys=True))
    if data["strategy"]:
        about_case = MEANS.findall(data["case"]["root_cause"]) if data["case"] else []
        pairs = about_case or MEANS.findall(data["strategy"]["instructions"])
    else:
        about = data["error"] or data["original"]
        said = " ".join(row["prompt"] for row in ([about] if about else data["examples"])).split()
        pairs = [(key, label) for label, keys in KEYS.items() for key in keys if key in said]
    samples = []
    for _ in range(data["count"]):
        key, label = rng.choice(pairs)
        slip = rng.random()
        wrong = rng.choice([other for other in KEYS if other != label])
        samples.append(
            {
                "prompt": ask(key, rng),
                "completion": "no such label" if slip < 0.06 else wrong if slip < 0.125 else label,
            }
        )
    return {"samples": samples}


def judge(data: dict[str, Any]) -> dict[str, Any]:
    """Rejects what is mislabelled; gives a low mark to one batch in six, decided by its content."""
    rng = random.Random(json.dumps(data, sort_keys=True))
    wrong = [n for n, s in enumerate(data["samples"]) if label_of(s["prompt"]) != s["completion"]]
    mark = 4 if rng.random() < 1 / 6 else 8
    return {
        "adherence": mark,
        "utility": mark,
        "relevance": mark,
        "rejected": wrong,
        "feedback": "Vary the wording." if mark < 7 else "Sound.",
    }


def answer_blind(data: dict[str, Any]) -> dict[str, Any]:
    """The right label of each prompt."""
    return {"answers": [label_of(prompt) for prompt in data["prompts"]]}


def describe(data: dict[str, Any]) -> dict[str, Any]:
    return {"description": f"Which kind is the request? There are {len(data['answers']['labels'])} kinds."}


ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "TaskDescription": describe,
    "ErrorAnalysis": analyse,
    "FailurePattern": name_pattern,
    "AugmentationStrategy": plan,
    "SampleBatch": write,
    "BlindAnswers": answer_blind,
    "QualityReport": judge,
}
