"""Random students of two layers, of any family of the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CLASSES = {"Gemma3Text": "Gemma3"}


def make_student(family: str, folder: Path, tokenizer: Any, **more: Any) -> Path:
    """Write a student with a tokenizer into a folder.

    Args:
        family: name in the library.
        more: what differs from a usual decoder.
    """
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **more,
    )
    getattr(transformers, f"{CLASSES.get(family, family)}ForCausalLM")(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
