"""Logits only where they are wanted: a vocabulary of 128,000 makes all others cost more than the layers do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def logits_at(model: Any, places: Tensor) -> Iterator[None]:
    """Within it, the model's logits are those at some places: shape (N, vocabulary).

    The head gets the hidden states of these places alone, whatever the architecture does with its logits afterwards.
    Not by the library's `logits_to_keep`: its versions differ in what tensors they take, and a mask makes a GPU wait.

    Args:
        model: a causal language model of the library, with or without an adapter.
        places: (N,) int64 on the model's device, in the hidden states with batch and length flattened.
    """

    def select(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
        hidden: Tensor = inputs[0]
        return (hidden.reshape(-1, hidden.shape[-1]).index_select(0, places),)

    handle = model.get_output_embeddings().register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()
