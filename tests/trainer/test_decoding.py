"""Greedy replies against the library's own `generate`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer.reference_model import INSTRUCTION, QUESTIONS, chat_prompts, reference_reply
from trainer.data import common_prefix, stop_tokens
from trainer.decoding import generate, require_full_attention, sorted_batches
from trainer.specs import StudentSpec
from trainer.weights import ModelError


@pytest.mark.student
def test_replies_are_those_of_generate_row_by_row(real: Any) -> None:
    model, tokenizer = real
    prompts = chat_prompts(tokenizer, QUESTIONS)
    stops = stop_tokens(tokenizer, StudentSpec())
    replies = generate(model, prompts, max_new_tokens=10, stops=stops, batch_size=3)
    expected = [reference_reply(model, prompt, 10, stops) for prompt in prompts]
    assert [(reply.tokens, reply.truncated) for reply in replies] == expected
    assert {cut for _, cut in expected} == {True, False}, "both ways to end must be seen"


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("shared", ["", INSTRUCTION])
def test_neither_batches_nor_the_prefix_change_a_reply(tiny: Any, batch_size: int, shared: str) -> None:
    """Without a shared prefix too, and with rows that stop at different steps."""
    model, tokenizer = tiny
    prompts = [tokenizer(shared + text)["input_ids"] for text in QUESTIONS]
    assert (common_prefix(prompts) > 0) == bool(shared)
    free = [reference_reply(model, prompt, 8, []) for prompt in prompts]
    stops = sorted({free[0][0][1], free[1][0][4], free[2][0][6]})
    replies = generate(model, prompts, max_new_tokens=8, stops=stops, batch_size=batch_size)
    expected = [reference_reply(model, prompt, 8, stops) for prompt in prompts]
    assert [(reply.tokens, reply.truncated) for reply in replies] == expected
    assert len({len(tokens) for tokens, _ in expected}) > 2


def test_equal_prompts_and_single_tokens(tiny: Any) -> None:
    """The shared prefix must leave a token to each prompt."""
    model, _ = tiny
    prompts = [[5], [5], [5]]
    replies = generate(model, prompts, max_new_tokens=3, stops=[0], batch_size=2)
    assert [reply.tokens for reply in replies] == [reference_reply(model, [5], 3, [0])[0]] * 3
    assert generate(model, [], max_new_tokens=3, stops=[0], batch_size=2) == []


def test_models_with_a_window_are_refused_beyond_it() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=16,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            sliding_window=32,
        )
    )
    require_full_attention(model, 32)
    with pytest.raises(ModelError, match="33 tokens"):
        require_full_attention(model, 33)


def test_batches_are_the_longest_rows_first() -> None:
    assert list(sorted_batches([3, 9, 5, 9, 1], 2)) == [[1, 3], [2, 0], [4]]
    assert list(sorted_batches([], 2)) == []
