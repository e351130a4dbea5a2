"""Students behind OpenAI's API, asked by its own client; they answer as the run has recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Completion
from pydantic import BaseModel

from tests.app.api.http_service import Service, serve, settings_for
from tests.app.api.keys.test_auth import make_key
from tests.app.api.serving.served_run import RUN, add_served_run, prompts_and_answers
from tests.conftest import Run

pytestmark = pytest.mark.student

ASKED = 12
"""Validation rows of each student."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, whole_run: Run) -> Iterator[Service]:
    with serve(settings_for(tmp_path_factory.mktemp("serving") / "home")) as running:
        add_served_run(running, whole_run.folder)
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[OpenAI]:
    with client_of(service) as made:
        yield made


@pytest.fixture(scope="module")
def prompt(whole_run: Run) -> str:
    return prompts_and_answers(whole_run.folder, 0)[0][0]


def client_of(service: Service, key: str = "none") -> OpenAI:
    return OpenAI(base_url=f"{service.url}/v1", api_key=key, max_retries=0, timeout=60)


def user(text: Any) -> Any:
    return [{"role": "user", "content": text}]


def schema_format(schema: dict[str, Any]) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}


def ask(client: OpenAI, model: str, prompt: str) -> str | None:
    return client.chat.completions.create(model=model, messages=user(prompt)).choices[0].message.content


def test_the_students_of_a_run_are_listed(client: OpenAI) -> None:
    named = ["", ":baseline", ":round-1", ":round-2", ":base"]
    assert [model.id for model in client.models.list()] == [f"{RUN}{name}" for name in named]
    assert client.models.retrieve(f"{RUN}:baseline").owned_by == "pada"


@pytest.mark.parametrize(("name", "number"), [("", 2), (":round-2", 2), (":round-1", 1), (":baseline", 0)])
def test_greedy_answers_are_the_predictions_of_the_run(
    client: OpenAI, whole_run: Run, name: str, number: int
) -> None:
    asked = prompts_and_answers(whole_run.folder, number)[:ASKED]
    assert [ask(client, RUN + name, prompt) for prompt, _ in asked] == [answer for _, answer in asked]


def test_students_differ(client: OpenAI, whole_run: Run) -> None:
    """Else the test above would not show that each has its own weights."""
    answers = [[text for _, text in prompts_and_answers(whole_run.folder, number)] for number in (0, 1, 2)]
    assert len({tuple(each[:ASKED]) for each in answers}) == 3


def test_a_stream_says_the_same(client: OpenAI, whole_run: Run) -> None:
    prompt, answer = prompts_and_answers(whole_run.folder, 2)[0]
    stream = client.chat.completions.create(
        model=RUN, messages=user(prompt), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    parts = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert parts[0].delta.role == "assistant"
    assert "".join(part.delta.content or "" for part in parts) == answer
    assert [part.finish_reason for part in parts][-1] == "stop"
    usage = chunks[-1].usage
    assert usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 1


def test_the_clients_other_ways_to_ask(service: Service, client: OpenAI, whole_run: Run) -> None:
    """The raw response, the stream with events, and the asynchronous client with questions side by side."""
    asked = prompts_and_answers(whole_run.folder, 2)[:3]
    prompt, answer = asked[0]
    raw = client.chat.completions.with_raw_response.create(model=RUN, messages=user(prompt))
    assert raw.status_code == 200
    assert raw.parse().choices[0].message.content == answer
    with client.chat.completions.stream(model=RUN, messages=user(prompt)) as events:
        assert events.get_final_completion().choices[0].message.content == answer

    async def side_by_side() -> list[str | None]:
        async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as many:
            replies = [many.chat.completions.create(model=RUN, messages=user(each)) for each, _ in asked]
            return [reply.choices[0].message.content for reply in await asyncio.gather(*replies)]

    assert asyncio.run(side_by_side()) == [answer for _, answer in asked]


def test_log_probabilities_of_a_chat(client: OpenAI, prompt: str) -> None:
    reply = client.chat.completions.create(model=RUN, messages=user(prompt), logprobs=True, top_logprobs=2)
    logprobs = reply.choices[0].logprobs
    assert logprobs
    assert logprobs.content
    assert "".join(token.token for token in logprobs.content) == reply.choices[0].message.content
    for token in logprobs.content:
        assert token.logprob == token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob
        assert bytes(token.bytes or []).decode() == token.token


def test_a_completion_reads_its_text_as_it_is(client: OpenAI, prompt: str) -> None:
    """The template of this run is plain, so a row's prompt is the student's whole input."""
    reply = client.completions.create(model=RUN, prompt=prompt, logprobs=1).choices[0]
    assert reply.text == ask(client, RUN, prompt)
    assert reply.logprobs
    assert "".join(reply.logprobs.tokens or []) == reply.text
    pieces = client.completions.create(model=RUN, prompt=prompt, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == reply.text


def test_a_seed_makes_sampling_repeat(client: OpenAI, prompt: str) -> None:
    def sampled(seed: int, **more: Any) -> str:
        how: Any = {"temperature": 2, "max_tokens": 20, **more}
        text: str = client.completions.create(model=RUN, prompt=prompt, seed=seed, **how).choices[0].text
        return text

    texts = [sampled(seed) for seed in range(4)]
    assert texts == [sampled(seed) for seed in range(4)]
    assert len(set(texts)) > 1
    assert sampled(1, top_p=1e-6) == sampled(2, temperature=0), "only the likeliest token is left"


def test_a_reply_ends_at_the_limit_or_at_a_text(client: OpenAI, prompt: str) -> None:
    def complete(seed: int, **more: Any) -> Completion:
        how: Any = {"temperature": 2, "seed": seed, "max_tokens": 20}
        reply: Completion = client.completions.create(model=RUN, prompt=prompt, **how, **more)
        return reply

    # which of them the student would end by itself depends on the processor's rounding
    cut, seed = next(
        (reply, n) for n in range(20) if (reply := complete(n)).choices[0].finish_reason == "length"
    )
    assert cut.usage
    assert cut.usage.completion_tokens == 20
    text = cut.choices[0].text
    stop = text[10:13]
    stopped = complete(seed, stop=[stop])
    assert stopped.choices[0].text == text[: text.index(stop)]
    assert stopped.choices[0].finish_reason == "stop"


def test_earlier_turns_are_read(client: OpenAI, prompt: str) -> None:
    turns: Any = [{"role": "system", "content": "Amber."}, *user([{"type": "text", "text": prompt}])]
    reply = client.chat.completions.create(model=RUN, messages=turns)
    alone = client.chat.completions.create(model=RUN, messages=user(prompt))
    assert reply.usage
    assert alone.usage
    assert reply.usage.prompt_tokens > alone.usage.prompt_tokens


class Booking(BaseModel):
    """What a reply may be asked to hold."""

    place: Literal["Oslo", "Zürich"]
    people: Literal[1, 2, 3]


def test_a_reply_follows_the_schema_that_is_asked_for(client: OpenAI, prompt: str) -> None:
    reply = client.chat.completions.parse(
        model=RUN, messages=user(prompt), max_tokens=60, response_format=Booking
    )
    assert isinstance(reply.choices[0].message.parsed, Booking)
    stream = client.chat.completions.create(
        model=RUN,
        messages=user(prompt),
        stream=True,
        temperature=1,
        response_format=schema_format({"enum": ["a", "b"]}),
    )
    assert "".join(piece.choices[0].delta.content or "" for piece in stream) in ('"a"', '"b"')


def test_parameters_that_ask_for_nothing_change_nothing(client: OpenAI, prompt: str) -> None:
    nothing: Any = {"response_format": {"type": "text"}, "store": False, "tools": None, "tool_choice": None}
    reply = client.chat.completions.create(model=RUN, messages=user(prompt), extra_body=nothing)
    assert reply.choices[0].message.content == ask(client, RUN, prompt)


@pytest.mark.parametrize(
    ("change", "param", "says"),
    [
        ({"n": 2}, "n", "1"),
        ({"response_format": {"type": "grammar"}}, "response_format", "'json_schema'"),
        ({"response_format": schema_format({"type": "strange"})}, None, "strange"),
        ({"store": True}, "store", "False"),
        ({"tools": []}, "tools", "unknown parameter"),
        ({"messages": [{"role": "assistant", "content": "yes"}]}, None, "the user's"),
        ({"top_logprobs": 3}, None, "`logprobs`"),
        ({"messages": user("word " * 200)}, None, "`student.max_length`"),
        ({"max_tokens": 100_000}, None, "room for"),
        ({"messages": user("")}, None, "empty"),
    ],
)
def test_what_a_student_cannot_do_is_refused(
    client: OpenAI, prompt: str, change: dict[str, Any], param: str | None, says: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{"model": RUN, "messages": user(prompt), **change})
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["type"] == "invalid_request_error"
    assert refused.value.body["param"] == param
    assert says in refused.value.body["message"]


@pytest.mark.parametrize(
    "more",
    [
        '"messages": [{"role": "user", "content": "\\ud800"}]',
        '"prompt": "\\ud800"',
        '"prompt": "a", "stop": "\\ud800"',
        '"prompt": "a", "stop": "\\u0000"',
        '"messages": [{"role": "user", "content": "a\\u0000b"}]',
    ],
)
def test_a_text_that_no_row_can_have_is_refused(service: Service, more: str) -> None:
    path = "chat/completions" if "messages" in more else "completions"
    with service.client() as client:
        answer = client.post(
            f"/v1/{path}",
            content=f'{{"model": "{RUN}", {more}}}',
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("name", ["gpt-5", RUN[::-1], f"{RUN}:round-3", f"{RUN}:round-0", f"{RUN}/../x"])
def test_other_names_are_not_found(client: OpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client, name, "Anything.")
    assert refused.value.code == "model_not_found"


def test_a_key_sees_the_students_of_its_own_runs(tmp_path: Path, whole_run: Run) -> None:
    with serve(settings_for(tmp_path / "home", auth="on")) as service:
        (owner, key), (_, other), (_, admin) = (
            make_key(service, scope) for scope in ("read", "write", "admin")
        )
        add_served_run(service, whole_run.folder, owner=owner)
        with client_of(service, key) as mine, client_of(service, other) as theirs:
            assert len(list(mine.models.list())) == 5
            assert list(theirs.models.list()) == []
            with pytest.raises(openai.NotFoundError):
                ask(theirs, RUN, "Anything.")
        with client_of(service, admin) as all_seeing:
            assert len(list(all_seeing.models.list())) == 5
        with client_of(service, "pada_wrong") as nobody, pytest.raises(openai.AuthenticationError):
            nobody.models.list()
        assert httpx.post(f"{service.url}/v1/chat/completions", json={}).status_code in (400, 401)
