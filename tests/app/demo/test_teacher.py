"""The embedded teacher, asked over real HTTP as the loop asks it."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any, TypeVar

import httpx
import openai
import pytest
from pydantic import BaseModel

from app.demo.composer import TEAMS
from app.demo.dataset import demo_rows
from app.demo.server import serve
from graphs.schemas import AugmentationStrategy, ErrorAnalysis, FailurePattern, QualityReport, SampleBatch

Answer = TypeVar("Answer", bound=BaseModel)
MARKS = {"negation": "negation", "sarcasm": "sarcasm", "quote": "quotation", "story": "story"}


class Asker:
    """Asks one question as the loop's client does."""

    def __init__(self, base_url: str):
        self.base_url = base_url
        self.http = httpx.Client(base_url=base_url)

    def raw(self, schema: str, data: Any) -> httpx.Response:
        return self.http.post(
            "/chat/completions",
            headers={"X-Run-Id": "test"},
            json={
                "model": "embedded-teacher",
                "messages": [
                    {"role": "system", "content": "Answer in the schema."},
                    {"role": "user", "content": f"<data>{json.dumps(data)}</data>"},
                ],
                "response_format": {"type": "json_schema", "json_schema": {"name": schema, "schema": {}}},
            },
        )

    def __call__(self, schema: type[Answer], data: dict[str, Any]) -> Answer:
        reply = self.raw(schema.__name__, data)
        assert reply.status_code == 200, reply.text
        return schema.model_validate_json(reply.json()["choices"][0]["message"]["content"])

    def strategy(self, gap: str) -> AugmentationStrategy:
        """What the teacher plans after the errors of one gap."""
        rows = [row for row in demo_rows("validation") if row["gap"] == gap][:8]
        analyses = [self(ErrorAnalysis, failure(row)).model_dump() for row in rows]
        pattern = self(FailurePattern, {"analyses": analyses})
        examples = [{"prompt": row["prompt"], "completion": row["completion"]} for row in demo_rows("train")]
        return self(AugmentationStrategy, {"pattern": pattern.model_dump(), "examples": examples})


@pytest.fixture(scope="module")
def ask() -> Iterator[Asker]:
    with serve() as base_url:
        asker = Asker(base_url)
        yield asker
        asker.http.close()


def failure(row: dict[str, Any]) -> dict[str, Any]:
    """What the loop tells of an error: never the row's `gap`."""
    wrong = next(team for team in TEAMS if team != row["completion"])
    return {
        "task": "classification",
        "prompt": row["prompt"],
        "expected": row["completion"],
        "predicted": wrong,
        "score": "",
    }


def grams(text: str, n: int) -> set[tuple[str, ...]]:
    tokens = re.findall(r"[a-z0-9']+", text.lower())
    return {tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)}


def test_openai_client_is_understood(ask: Asker) -> None:
    with openai.OpenAI(base_url=ask.base_url, api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["embedded-teacher"]
        reply = client.chat.completions.create(
            model="embedded-teacher",
            messages=[
                {"role": "user", "content": "<data>" + json.dumps(failure(demo_rows("test")[0])) + "</data>"}
            ],
            response_format={"type": "json_schema", "json_schema": {"name": "ErrorAnalysis", "schema": {}}},
        )
    assert ErrorAnalysis.model_validate_json(reply.choices[0].message.content or "")
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 40


@pytest.mark.parametrize("gap", sorted(MARKS))
def test_an_error_is_named_by_its_gap(ask: Asker, gap: str) -> None:
    named: Counter[str] = Counter()
    rows = [row for row in demo_rows("validation") + demo_rows("test") if row["gap"] == gap]
    for row in rows:
        analysis = ask(ErrorAnalysis, failure(row))
        text = f"{analysis.root_cause} {analysis.scenario}".lower()
        named.update(name for name, mark in MARKS.items() if mark in text)
    assert named[gap] >= 0.8 * len(rows)
    assert named.total() <= 1.05 * len(rows)


def test_an_analysis_quotes_nothing_of_its_row(ask: Asker) -> None:
    for row in demo_rows("validation"):
        analysis = ask(ErrorAnalysis, failure(row))
        assert not grams(row["prompt"], 5) & grams(f"{analysis.root_cause} {analysis.scenario}", 5)


@pytest.mark.parametrize("gap", sorted(MARKS))
def test_pattern_and_strategy_keep_the_gap(ask: Asker, gap: str) -> None:
    strategy = ask.strategy(gap)
    text = f"{strategy.title} {strategy.instructions}".lower()
    assert [name for name, mark in MARKS.items() if mark in text] == [gap]
    assert all(team in strategy.instructions for team in TEAMS)


@pytest.mark.parametrize("gap", sorted(MARKS))
def test_a_hundred_rows_in_twenty_batches_are_varied_and_leak_nothing(ask: Asker, gap: str) -> None:
    strategy = ask.strategy(gap).model_dump()
    batches = [
        ask(
            SampleBatch,
            {"strategy": strategy, "error": None, "examples": [], "count": 5, "batch": f"b{number}"},
        )
        for number in range(20)
    ]
    prompts = [sample.prompt for batch in batches for sample in batch.samples]
    assert len(prompts) == 100
    assert len(set(prompts)) > 95
    near = [
        len(a & b) / len(a | b) > 0.85 for a, b in combinations([grams(prompt, 3) for prompt in prompts], 2)
    ]
    assert sum(near) <= 2
    held = [grams(row["prompt"], 5) for split in ("validation", "test") for row in demo_rows(split)]
    assert (
        max(len(grams(prompt, 5) & row) / len(grams(prompt, 5)) for prompt in prompts for row in held) < 0.4
    )


def test_new_rows_have_the_form_of_the_task(ask: Asker) -> None:
    question = demo_rows("train")[0]["prompt"].split("\n")[0] + "\n"
    for gap in MARKS:
        for sample in ask(SampleBatch, {"strategy": ask.strategy(gap).model_dump(), "count": 30}).samples:
            assert sample.prompt.startswith(question)
            assert sample.completion in TEAMS


def test_rows_for_an_error_are_said_like_it(ask: Asker) -> None:
    row = next(row for row in demo_rows("test") if row["gap"] == "quote")
    batch = ask(
        SampleBatch, {"strategy": None, "error": failure(row), "count": 30, "feedback": "Be careful."}
    )
    assert sum('"' in sample.prompt for sample in batch.samples) >= 20
    assert sum(sample.completion == row["completion"] for sample in batch.samples) >= 10


def test_unguided_rows_are_plain(ask: Asker) -> None:
    batch = ask(SampleBatch, {"strategy": None, "error": None, "count": 30})
    assert not any('"' in sample.prompt for sample in batch.samples)
    assert len({sample.completion for sample in batch.samples}) >= 4


def test_the_judge_rejects_what_is_wrong_and_keeps_what_is_right(ask: Asker) -> None:
    strategy = ask.strategy("negation").model_dump()
    question = demo_rows("train")[0]["prompt"].split("\n")[0] + "\n"
    samples = [
        ("This is not about the bill, nor about a repair. The courier has lost the lamp.", "delivery"),
        ("This is not about the bill, nor about a repair. The courier has lost the lamp.", "billing"),
        ("I do not mean my password. The heater is broken and needs a new fuse.", "repairs"),
        ("I do not mean my password. The heater is broken and needs a new fuse.", "repairs"),
        ("It has nothing to do with the parcel. I was charged twice on the invoice.", "delivery"),
    ]
    rows = [{"prompt": question + text, "completion": team} for text, team in samples]
    report = ask(QualityReport, {"strategy": strategy, "samples": rows})
    assert report.rejected == [1, 3, 4]
    assert "1, 4" in report.feedback
    assert report.adherence >= 8 > report.utility


def test_a_batch_that_ignores_the_strategy_gets_low_marks(ask: Asker) -> None:
    plain = [{"prompt": row["prompt"], "completion": row["completion"]} for row in demo_rows("train")[:10]]
    report = ask(QualityReport, {"strategy": ask.strategy("story").model_dump(), "samples": plain})
    assert report.adherence <= 3
    assert (report.adherence + report.utility + report.relevance) / 3 < 7


def test_mistakes_happen_and_feedback_mends_them(ask: Asker) -> None:
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for gap in MARKS:
        strategy = ask.strategy(gap).model_dump()
        for number in range(15):
            asked = {"strategy": strategy, "count": 10, "batch": number}
            batch = ask(SampleBatch, asked)
            report = ask(QualityReport, {"strategy": strategy, **batch.model_dump()})
            first["rejected"] += len(report.rejected)
            first["low"] += (report.adherence + report.utility + report.relevance) / 3 < 7
            batch = ask(
                SampleBatch, asked | {"feedback": report.feedback, "previous": batch.model_dump()["samples"]}
            )
            report = ask(QualityReport, {"strategy": strategy, **batch.model_dump()})
            second["rejected"] += len(report.rejected)
            second["low"] += (report.adherence + report.utility + report.relevance) / 3 < 7
    assert 5 <= first["rejected"] <= 60
    assert 1 <= first["low"] <= 12
    assert second["rejected"] <= 3
    assert second["low"] == 0


def test_the_same_request_has_the_same_answer_and_another_batch_another(ask: Asker) -> None:
    asked = {"strategy": None, "error": None, "count": 5, "batch": "b1"}
    assert ask(SampleBatch, asked) == ask(SampleBatch, asked)
    assert ask(SampleBatch, asked) != ask(SampleBatch, asked | {"batch": "b2"})


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("Poem", {}),
        ("ErrorAnalysis", {"expected": "billing"}),
        ("SampleBatch", [1]),
        ("QualityReport", {"samples": [1]}),
    ],
)
def test_bad_requests_are_refused_in_the_wire_format(ask: Asker, schema: str, data: Any) -> None:
    reply = ask.raw(schema, data)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


def test_a_request_without_schema_is_refused(ask: Asker) -> None:
    reply = ask.http.post("/chat/completions", json={"model": "x", "messages": []})
    assert reply.status_code == 400
    assert "response_format" in reply.json()["error"]["message"]


def test_the_server_stops_with_its_context() -> None:
    before = threading.active_count()
    with serve() as base_url:
        assert httpx.get(f"{base_url}/models").status_code == 200
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base_url}/models")
