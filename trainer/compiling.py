"""`student.compile`: the decoder's layers through torch.compile, for training alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch._dynamo.exc
from torch import nn

from trainer.weights import ModelError

BACKEND = "inductor"
"""Of torch.compile; it needs a C++ compiler on a CPU, and Triton on a GPU."""


def compile_layers(model: Any) -> list[nn.Module]:
    """Let each decoder layer be compiled at its first call; returns the layers.

    Layers are alike, so that one is compiled for all of them: minutes less than for a whole model (torch's
    "regional compilation"). Lengths differ from batch to batch, hence dynamic shapes.
    """
    count = model.config.get_text_config().num_hidden_layers
    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    layers: list[nn.Module] = list(next((each for each in lists if len(each) == count), [model]))
    for layer in layers:
        layer.compile(dynamic=True, backend=BACKEND)
    return layers


def warm_up(calls: list[Callable[[], object]]) -> float:
    """Make calls in which layers are compiled; returns the seconds that it took.

    Raises:
        ModelError: the compiler is missing or fails.
    """
    start = time.monotonic()
    try:
        for call in calls:
            call()
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"torch.compile failed: {reason} Set student.compile: false.") from error
    return time.monotonic() - start


def undo(layers: list[nn.Module]) -> None:
    """Let the layers run as written again: predictions have shapes and caches of their own."""
    for layer in layers:
        layer._compiled_call_impl = None
