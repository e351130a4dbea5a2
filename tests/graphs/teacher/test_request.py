"""Requests as servers want them: parameters, further fields, addresses, schemas, waits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from graphs.errors import EndpointDown, UnansweredError
from graphs.schemas import QualityReport
from graphs.teacher.spec import TeacherSpec
from tests.flaky_server import FlakyServer
from tests.graphs.teacher.asking import analyse, make_teacher


async def test_a_parameter_that_the_model_refuses_is_sent_no_more(tmp_path: Path) -> None:
    """Reasoning models refuse `max_tokens` and `temperature`, each with a 400 of its own."""
    with FlakyServer(refused=("max_tokens", "temperature")) as server:
        async with make_teacher(server, tmp_path, temperature=0.2) as teacher:
            await analyse(teacher, 1)
            await analyse(teacher, 2)
        sent = [("max_tokens" in call.body, "temperature" in call.body) for call in server.calls]
        assert sent == [(True, True), (False, True), (False, False), (False, False)]
        assert [call.body["max_completion_tokens"] for call in server.calls[2:]] == [512, 512]
        assert {call.mode for call in server.calls} == {"json_schema"}, "the mode is not what was refused"


async def test_further_fields_go_with_every_request_and_another_value_is_another_request(
    tmp_path: Path,
) -> None:
    with FlakyServer() as server:
        for effort in ("low", "low", "high"):
            async with make_teacher(server, tmp_path, extra_body={"reasoning_effort": effort}) as teacher:
                await analyse(teacher)
        assert [call.body["reasoning_effort"] for call in server.calls] == ["low", "high"]


def test_further_fields_may_not_be_those_that_pada_sets() -> None:
    with pytest.raises(ValueError, match=r"messages, model is set by pada itself"):
        TeacherSpec.model_validate(
            {"model": "m", "extra_body": {"model": "other", "messages": [], "top_p": 1}}
        )


async def test_a_query_in_the_address_goes_with_every_request(tmp_path: Path) -> None:
    with FlakyServer() as server:
        async with make_teacher(
            server, tmp_path, base_url=f"{server.url}/?api-version=2024-10-21"
        ) as teacher:
            await analyse(teacher)
        assert server.calls[0].query == "api-version=2024-10-21"


async def test_schemas_have_no_keyword_that_strict_modes_refuse_and_answers_are_checked_all_the_same(
    tmp_path: Path,
) -> None:
    with FlakyServer() as server:
        async with make_teacher(server, tmp_path) as teacher:
            await teacher.ask("judge", QualityReport, "Judge.", {"samples": []})
        sent = json.dumps(server.calls[0].body["response_format"])
    assert "minimum" not in sent
    assert "maximum" not in sent


@pytest.mark.parametrize(("word", "wait"), [("429-ms:300", 0.3), ("402", None)])
async def test_waits_in_milliseconds_and_unpaid_bills(tmp_path: Path, word: str, wait: float | None) -> None:
    with FlakyServer([word]) as server:
        async with make_teacher(server, tmp_path) as teacher:
            if wait is None:
                with pytest.raises(EndpointDown, match="takes no more calls"):
                    await analyse(teacher)
                return
            await analyse(teacher)
        assert wait <= server.calls[1].time - server.calls[0].time < 5


@pytest.mark.parametrize("hint", ["", " Use 'max_completion_tokens' instead."])
async def test_many_calls_at_once_learn_one_dialect_and_keep_their_mode(tmp_path: Path, hint: str) -> None:
    """OpenAI's message names the other limit too, and several calls are refused before the first has learnt."""
    with FlakyServer(refused=("max_tokens",), hint=hint, latency=0.05) as server:
        async with make_teacher(server, tmp_path) as teacher:
            await asyncio.gather(*(analyse(teacher, number) for number in range(8)))
            await analyse(teacher, 8)
        assert {call.mode for call in server.calls} == {"json_schema"}
        assert "max_completion_tokens" in server.calls[-1].body
        assert len(server.calls) <= 8 + 8 + 1


async def test_a_server_that_takes_no_limit_at_all_is_given_up(tmp_path: Path) -> None:
    with FlakyServer(refused=("max_tokens", "max_completion_tokens")) as server:
        async with make_teacher(server, tmp_path, structured_output="json_schema") as teacher:
            with pytest.raises(UnansweredError, match="max_completion_tokens"):
                await analyse(teacher)
        assert len(server.calls) == 2


async def test_a_filtered_answer_is_not_read_though_some_of_it_came(tmp_path: Path) -> None:
    with FlakyServer(["filtered-late", "filtered-late"]) as server:
        async with make_teacher(server, tmp_path) as teacher:
            with pytest.raises(UnansweredError, match="content filter"):
                await analyse(teacher)
        assert len(server.calls) == 2
