"""Which attention a student computes with."""

from __future__ import annotations

from typing import Any

import torch


def attention_warning(model: Any) -> str | None:
    """One sentence where the library fell back to eager attention, which keeps a matrix of all pairs in each layer.

    It takes PyTorch's SDPA for every architecture that knows it, and says nothing where one does not.
    """
    used = getattr(model.config.get_text_config(), "_attn_implementation", None)
    if used != "eager":
        return None
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return (
        f"{type(base).__name__} "
        "knows no attention but the eager one, which is slow and takes memory for all pairs of tokens."
    )


def attend_without_plans(device: torch.device) -> None:
    """Leave cuDNN's attention out on a GPU.

    It makes a plan for each new shape, which takes longer than the attention itself where lengths differ from batch to
    batch, or grow by a token a step: on an H200 the first reply took ten times as long as the second.
    """
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)
