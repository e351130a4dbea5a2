"""What `check --teacher` says of servers that can do much, little or nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.config.run_config import RunConfig, parse_config
from app.prepare.checks.findings import Finding
from app.prepare.teacher.facts import ModelFacts
from app.prepare.teacher.trial import try_teacher
from tests.flaky_server import FlakyServer
from tests.tiny_task import config_for, rows
from trainer.records import Example

KEY = "sk-canary-0123456789abcdef"
TRAIN = [Example(**row) for row in rows("train")]
PARTS = ["analyst", "namer", "strategist", "writer", "judge"]


def config(url: str, loop: dict[str, Any] | None = None, **teacher: Any) -> RunConfig:
    document = config_for(Path("data"), "builtin:smollm2-135m", url, loop=loop or {}, teacher=teacher)
    return parse_config(document, "config.yaml", Path("/"))


def attempt(
    url: str, train: list[Example] = TRAIN, loop: dict[str, Any] | None = None, **teacher: Any
) -> tuple[list[ModelFacts], list[Finding]]:
    tried = config(url, loop, **teacher)
    assert tried.teacher
    return asyncio.run(try_teacher(tried, tried.teacher, train, {"TINY_KEY": KEY}))


def one(url: str, **teacher: Any) -> tuple[ModelFacts, dict[str, Finding]]:
    """The only model, and the findings by code."""
    (facts,), findings = attempt(url, **teacher)
    assert KEY not in facts.model_dump_json() + "".join(each.message for each in findings)
    return facts, {each.code: each for each in findings}


def test_each_part_is_asked_once_with_the_instructions_and_rows_of_a_run() -> None:
    with FlakyServer() as server:
        server.models = [{"id": "scripted_teacher", "max_model_len": 8192}]
        facts, findings = one(
            server.url, prices={"scripted_teacher": {"input_per_million": 1, "output_per_million": 2}}
        )
    assert [call.schema for call in server.calls] == [
        "ErrorAnalysis",
        "FailurePattern",
        "AugmentationStrategy",
        "SampleBatch",
        "QualityReport",
    ]
    assert findings == {}
    assert [(call.part, call.answered, call.requests) for call in facts.calls] == [
        (part, True, 1) for part in PARTS
    ]
    assert (facts.calls[0].prompt_tokens, facts.calls[0].completion_tokens) == (100, 20)
    assert facts.calls[0].usd == pytest.approx(100e-6 + 40e-6)
    assert (facts.format, facts.refused, facts.instructed) == ("json_schema", [], False)
    assert (facts.limit, facts.max_tokens, facts.context) == ("max_tokens", 4096, 8192)
    assert (facts.reports_usage, facts.thinks) == (True, False)
    data = server.calls[0].data
    assert data["prompt"] in {row.prompt for row in TRAIN}
    assert "delivery" in data["task"]["answers"]["labels"]
    assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("modes", "found", "refused"),
    [
        (("function_calling",), "tools", ["json_schema"]),
        (("json_mode",), "json_object", ["json_schema", "tools"]),
    ],
)
def test_a_server_without_schemas_says_what_it_takes_instead(
    modes: tuple[str, ...], found: str, refused: list[str]
) -> None:
    with FlakyServer(modes=modes) as server:
        facts, _ = one(server.url)
    assert (facts.format, facts.refused) == (found, refused)
    assert all(call.answered for call in facts.calls)


def test_a_model_that_answers_in_prose_is_asked_no_further() -> None:
    with FlakyServer(lambda n: "prose") as server:
        facts, findings = one(server.url)
    assert facts.format is None
    assert [call.answered for call in facts.calls] == [False] * 5
    assert {call.schema for call in server.calls} == {"ErrorAnalysis"}
    assert "Choose a model that can answer in JSON" in findings["teacher_unanswered"].message


def test_schemas_that_are_taken_and_not_kept_are_told() -> None:
    with FlakyServer(["prose", "prose"]) as server:
        facts, findings = one(server.url)
    assert (facts.format, facts.instructed) == ("json_schema", True)
    assert "does not keep to it" in findings["teacher_schema"].message


def test_a_refused_key_is_one_fault_that_names_the_variable() -> None:
    with FlakyServer(lambda n: "401") as server:
        facts, findings = one(server.url)
    assert len(server.calls) == 1
    assert findings["teacher_refused"].level == "fault"
    assert "TINY_KEY" in findings["teacher_refused"].message
    assert [call.error for call in facts.calls[1:]] == ["Not asked, because the call before it failed."] * 4


def test_an_unknown_model_is_told_with_those_that_there_are() -> None:
    with FlakyServer(lambda n: "404-model") as server:
        server.models = [{"id": "scripted-teacher-2"}, {"id": "other"}]
        _, findings = one(server.url)
    assert "Did you mean `scripted-teacher-2`?" in findings["teacher_refused"].message


@pytest.mark.parametrize("path", ["", "/", "/v1/chat/completions", "/api"])
def test_a_wrong_address_is_told_with_the_right_one(path: str) -> None:
    with FlakyServer() as server:
        server.models = [{"id": "scripted_teacher"}]
        _, findings = one(server.url.removesuffix("/v1") + path)
        assert (
            f"An API answers at {server.url}: set `teacher.base_url` to it."
            in findings["teacher_refused"].message
        )
    assert server.calls == []


def test_an_address_of_one_role_is_told_by_its_own_key() -> None:
    with FlakyServer() as server:
        server.models = [{"id": "scripted_teacher"}]
        models, findings = attempt(server.url, judge={"base_url": server.url.removesuffix("/v1")})
    assert [facts.roles for facts in models] == [["analyst", "generator"], ["judge"]]
    (fault,) = [each for each in findings if each.level == "fault"]
    assert "The judge was not answered." in fault.message
    assert f"An API answers at {server.url}: set `teacher.judge.base_url` to it." in fault.message
    assert len(server.calls) == 4


def test_a_server_that_is_not_there_is_not_told_to_start_a_run_again() -> None:
    facts, findings = one("http://127.0.0.1:9/v1")
    assert "Check that the server runs" in findings["teacher_down"].message
    assert "output folder" not in findings["teacher_down"].message
    assert facts.calls[0].requests == 2


def test_a_server_that_takes_neither_a_limit_by_its_old_name_nor_a_temperature() -> None:
    with FlakyServer(refused=("max_tokens", "temperature")) as server:
        facts, _ = one(server.url, temperature=0.5)
    assert (facts.limit, facts.takes_temperature) == ("max_completion_tokens", False)
    assert (facts.format, facts.refused) == ("json_schema", [])


@pytest.mark.parametrize(("script", "usage"), [(["fenced"] * 5, (100, 20)), ([], (100, 900))])
def test_a_reasoning_model_is_known_by_its_tags_or_by_tokens_that_are_not_shown(
    script: list[str], usage: tuple[int, int]
) -> None:
    with FlakyServer(script, usage=usage) as server:
        facts, findings = one(server.url)
    assert facts.thinks
    assert "reasoning_effort" in findings["teacher_thinks"].message


def test_missing_usage_and_price_and_a_limit_beyond_the_context_are_told() -> None:
    with FlakyServer(["no-usage"] * 5) as server:
        server.models = [{"id": "scripted_teacher", "context_length": 2048}]
        facts, findings = one(server.url)
    assert facts.reports_usage is False
    assert {code: each.level for code, each in findings.items()} == {
        "teacher_usage": "warning",
        "teacher_context": "warning",
        "teacher_no_price": "note",
    }


def test_a_method_without_patterns_and_a_judge_asks_the_writer_alone_also_without_rows() -> None:
    with FlakyServer() as server:
        (facts,), _ = attempt(server.url, train=[], loop={"method": "random", "qc": False})
    assert [call.part for call in facts.calls] == ["writer"]
    assert server.calls[0].data["examples"][0] == {"prompt": "What is 1 plus 1?", "completion": "2"}


def test_one_part_that_cannot_be_answered_leaves_the_others() -> None:
    with FlakyServer(lambda n: "refusal" if n in (1, 2) else "ok") as server:
        facts, findings = one(server.url)
    assert [call.answered for call in facts.calls] == [True, False, True, True, True]
    assert "The namer was not answered." in findings["teacher_unanswered"].message
