"""Packed rows give the same loss and gradients as separate rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
)

from tests.trainer.token_rows import LONG, SHORT, VOCABULARY, WITHOUT_PREFIX, llama, plain_loss, rows
from trainer.data import Row
from trainer.loss import choose_layout


def gradients(model: Any, loss: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


@pytest.mark.parametrize(
    "batch", [SHORT, WITHOUT_PREFIX, LONG, SHORT[:1]], ids=["short", "bare", "long", "one"]
)
def test_packed_loss_and_gradients_are_the_plain_ones(batch: list[Row]) -> None:
    model = llama()
    layout = choose_layout(model, SHORT, 0, dropout=0)
    assert layout.packed
    assert layout.sliced
    expected, loss = plain_loss(model, batch), layout.loss(model, batch)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    exact, packed = gradients(model, expected), gradients(model, loss)
    for name in exact:
        torch.testing.assert_close(packed[name], exact[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "packed"),
    [
        (lambda: GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=2)), True),
        (
            lambda: Gemma2ForCausalLM(
                Gemma2Config(
                    vocab_size=VOCABULARY,
                    hidden_size=32,
                    intermediate_size=48,
                    num_hidden_layers=2,
                    num_attention_heads=4,
                    num_key_value_heads=2,
                    head_dim=8,
                    sliding_window=16,
                    attn_implementation="eager",
                )
            ),
            False,
        ),
        (
            lambda: MambaForCausalLM(
                MambaConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, state_size=4)
            ),
            False,
        ),
    ],
    ids=["learned positions", "sliding window", "recurrent"],
)
def test_other_architectures_get_the_layout_they_can_do(make: Any, packed: bool) -> None:
    torch.manual_seed(0)
    model = make().train()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    model.eval()
    layout = choose_layout(model, SHORT, 0, dropout=0)
    assert layout.packed == packed
    with torch.no_grad():
        torch.testing.assert_close(layout.loss(model, SHORT), plain_loss(model, SHORT), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ignored", ["attention_mask", "position_ids"])
def test_a_model_that_ignores_what_packing_needs_is_found_out(ignored: str) -> None:
    class Deaf(LlamaForCausalLM):  # type: ignore[misc]
        def forward(self, input_ids: Any = None, logits_to_keep: Any = 0, **arguments: Any) -> Any:
            arguments.pop(ignored, None)
            return super().forward(input_ids=input_ids, logits_to_keep=logits_to_keep, **arguments)

    layout = choose_layout(Deaf(llama().config), SHORT, 0, dropout=0)
    assert not layout.packed
    assert layout.sliced


def test_dropout_rules_packing_out() -> None:
    assert not choose_layout(llama(), SHORT, 0, dropout=0.1).packed


@pytest.mark.student
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 2e-2)])
def test_the_embedded_student_packs(student_folder: Path, dtype: torch.dtype, tolerance: float) -> None:
    model = AutoModelForCausalLM.from_pretrained(student_folder, dtype=dtype)
    batch = rows(list(range(100, 130)), [(5, 4), (8, 2), (12, 6)], vocabulary=30_000)
    layout = choose_layout(model, batch, 2, dropout=0)
    assert layout.packed
    with torch.no_grad():
        expected = plain_loss(model, batch).float()
        torch.testing.assert_close(layout.loss(model, batch), expected, rtol=tolerance, atol=0)
