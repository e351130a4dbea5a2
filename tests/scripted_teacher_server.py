"""A teacher over HTTP that knows the answers of `tests.tiny_task`, and a record of everything that it was asked.

Its answer depends only on the request's content, so that the same request has the same answer in every run and process.
What it knows of the failures reaches the rows that it writes only through the prompts: analysis, pattern, strategy.

It is not `tests.flaky_server`: there a script decides by position how each request fails, and a good answer is always
the same; here the answer follows from the request's content, so that a whole run makes sense.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from tests.chat_server import ChatServer, completion, data_of
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
    headers: dict[str, str]
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
class ScriptedTeacherServer(ChatServer):
    """See the module.

    `fault` may give another response than the right one, or None; `answers` is another script, for rows that are not
    those of `tests.tiny_task`; `latency` is in seconds.
    """

    latency: float = 0.0
    fault: Callable[[str, dict[str, Any]], Response | None] = lambda schema, data: None
    answers: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda schema, data: answer(schema, data)
    seen: list[Asked] = field(default_factory=list)

    def of_run(self, run: str) -> list[Asked]:
        """The requests of one run."""
        return [request for request in self.seen if request.run == run]

    async def complete(self, request: Request) -> Response:
        """Note the request and answer it."""
        text = (await request.body()).decode()
        body = json.loads(text)
        schema = body["response_format"]["json_schema"]["name"]
        data = data_of(body)
        run, authorization = (request.headers.get(name, "") for name in ("x-run-id", "authorization"))
        seen = Asked(schema, data, run, authorization, text, dict(request.headers), time.time())
        self.seen.append(seen)
        await asyncio.sleep(self.latency)
        if (other := self.fault(schema, data)) is not None:
            return other
        content = json.dumps(self.answers(schema, data))
        reply = json.dumps(completion(body["model"], {"content": content}))
        return Response(reply, media_type="application/json", background=BackgroundTask(seen.whole))


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
    """Of the length of a real teacher's."""
    said = f"Which kind is the request? There are {len(data['answers']['labels'])} kinds."
    return {
        "description": f"{said} One word of the request decides, and the others are filler. "
        + "It is so. " * 80
    }


ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "TaskDescription": describe,
    "ErrorAnalysis": analyse,
    "FailurePattern": name_pattern,
    "AugmentationStrategy": plan,
    "SampleBatch": write,
    "BlindAnswers": answer_blind,
    "QualityReport": judge,
}
