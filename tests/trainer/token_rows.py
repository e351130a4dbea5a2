"""Rows of random tokens, a small Llama, and the library's own loss of them."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.data import Row

VOCABULARY = 64
PREFIX = list(range(5, 25))


def rows(prefix: list[int], lengths: list[tuple[int, int]], vocabulary: int = VOCABULARY) -> list[Row]:
    """Rows with these numbers of prompt tokens after the prefix, and of completion tokens."""
    draw = torch.Generator().manual_seed(3)

    def some(number: int) -> list[int]:
        tokens: list[int] = torch.randint(1, vocabulary, (number,), generator=draw).tolist()
        return tokens

    return [
        Row(id=str(n), prompt=prefix + some(own), completion=some(labels))
        for n, (own, labels) in enumerate(lengths)
    ]


SHORT = rows(PREFIX, [(3, 2), (9, 1), (1, 5), (6, 3), (4, 4)])
WITHOUT_PREFIX = rows([], [(3, 2), (9, 1), (7, 5)])
LONG = rows(PREFIX, [(120, 2), (90, 1), (100, 5), (110, 3)])


def llama() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config)


def plain_loss(model: Any, rows: list[Row]) -> torch.Tensor:
    """The library's own loss, row by row."""
    total = torch.zeros(())
    for row in rows:
        labels = torch.tensor([[-100] * len(row.prompt) + row.completion])
        mean = model(input_ids=torch.tensor([row.prompt + row.completion]), labels=labels).loss
        total = total + mean * len(row.completion)
    return total
