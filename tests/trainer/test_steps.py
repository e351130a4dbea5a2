"""Decoding over a cache of a fixed size, as a GPU does it, gives the replies of a growing one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer.reference_model import INSTRUCTION, QUESTIONS, reference_reply
from trainer import decoding, steps
from trainer.decoding import generate


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All devices decode as a GPU does, but for the graphs."""
    monkeypatch.setattr(decoding, "steps_for", steps.FixedSteps)


@pytest.mark.usefixtures("fixed")
@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("shared", ["", INSTRUCTION])
def test_a_fixed_cache_gives_the_same_replies(tiny: Any, batch_size: int, shared: str) -> None:
    model, tokenizer = tiny
    prompts = [tokenizer(shared + text)["input_ids"] for text in QUESTIONS]
    free = [reference_reply(model, prompt, 8, []) for prompt in prompts]
    stops = sorted({free[0][0][1], free[1][0][4], free[2][0][6]})
    replies = generate(model, prompts, max_new_tokens=8, stops=stops, batch_size=batch_size)
    expected = [reference_reply(model, prompt, 8, stops) for prompt in prompts]
    assert [(reply.tokens, reply.truncated) for reply in replies] == expected


@pytest.mark.usefixtures("fixed")
def test_a_reply_longer_than_the_reach_goes_on(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is widened several times, with rows that leave in between."""
    monkeypatch.setattr(steps, "REACH", 4)
    monkeypatch.setattr(steps, "BLOCK", 4)
    monkeypatch.setattr(decoding, "BLOCK", 4)
    model, tokenizer = tiny
    prompts = [tokenizer(text)["input_ids"] for text in QUESTIONS]
    free = [reference_reply(model, prompt, 40, []) for prompt in prompts]
    stops = [free[0][0][5]]
    replies = generate(model, prompts, max_new_tokens=40, stops=stops, batch_size=len(prompts))
    expected = [reference_reply(model, prompt, 40, stops) for prompt in prompts]
    assert [(reply.tokens, reply.truncated) for reply in replies] == expected
    assert {cut for _, cut in expected} == {True, False}
