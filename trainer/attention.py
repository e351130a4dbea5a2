"""Which attention a student computes with."""

from __future__ import annotations

from typing import Any


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
