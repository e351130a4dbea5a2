"""Logits at some places, against all logits; with and without an adapter, and whatever follows the head."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

from trainer.head import logits_at

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "attn_implementation": "eager",
}


def llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZES))


def adapted() -> Any:
    return get_peft_model(llama(), LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM"))


def adapted_head() -> Any:
    return get_peft_model(llama(), LoraConfig(target_modules=["lm_head", "q_proj"], task_type="CAUSAL_LM"))


def capped() -> Any:
    """Its logits go through a tanh after the head."""
    return Gemma2ForCausalLM(Gemma2Config(**SIZES, final_logit_softcapping=1.0))


@pytest.mark.parametrize("make", [llama, adapted, adapted_head, capped])
def test_they_are_those_of_all_places(make: Any) -> None:
    torch.manual_seed(0)
    model = make().eval()
    tokens = torch.randint(0, 64, (3, 7))
    places = torch.tensor([20, 0, 5, 13])
    with torch.no_grad():
        every = model(input_ids=tokens).logits
        with logits_at(model, places):
            found = model(input_ids=tokens).logits
        assert torch.equal(model(input_ids=tokens).logits, every), "the model is as it was"
    torch.testing.assert_close(found, every.flatten(0, 1)[places])


def test_an_error_leaves_nothing_behind() -> None:
    model = llama().eval()
    with pytest.raises(IndexError), logits_at(model, torch.tensor([99])):
        model(input_ids=torch.tensor([[1, 2]]))
    assert model(input_ids=torch.tensor([[1, 2]])).logits.shape == (1, 2, 64)
