"""What is measured on a GPU, and the toy version of it for a rehearsal on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LLAMA_1B: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128_256,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}
"""Llama 3.2 1B's config. The tokenizer that travels knows 49,152 of these tokens: speed and memory do not depend on which
tokens come."""

SMOLLM2_135M: dict[str, Any] = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": 49_152,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100_000.0},
}

MINILM: dict[str, Any] = {
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "max_position_embeddings": 512,
}
"""all-MiniLM-L6-v2's shape, with the vocabulary of the tokenizer that travels."""

SMALL_LAYERS = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
TOY_LLAMA = {
    **SMALL_LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    # At the default of 0.02 so narrow a model repeats its last token.
    "initializer_range": 0.2,
}


@dataclass(frozen=True)
class Scale:
    """Sizes of every step."""

    name: str
    shapes: dict[str, dict[str, Any]]
    """`large`, `small`: LlamaConfig; `embedder`: BertConfig."""
    matmul: int
    """Side of the square matrices by which the peak is measured."""
    rows: int
    prompt_words: tuple[int, int]
    completion_words: tuple[int, int]
    batch_size: int
    """Rows of a global batch."""
    micro_batches: tuple[int, ...]
    """Micro-batches that are tried, smallest first."""
    probe_steps: int
    """Optimizer steps of a probe; `WARM_UP` of them are not timed."""
    steps: int
    """Optimizer steps of a measurement."""
    curve_steps: int
    curve_batch: int
    prompts: int
    """Prompts to generate from."""
    few_prompts: int
    """Those that the slowest contenders get."""
    asked_words: tuple[int, int]
    new_tokens: int
    predict_batches: tuple[int, ...]
    questions: int
    few_questions: int
    texts: int
    text_words: tuple[int, int]
    max_k: int
    loop_rows: int
    """Rows of each split of the loop's data; as many are to be written."""


FULL = Scale(
    name="full",
    shapes={"large": LLAMA_1B, "small": SMOLLM2_135M, "embedder": MINILM},
    matmul=8192,
    rows=1024,
    prompt_words=(64, 320),
    completion_words=(16, 96),
    batch_size=64,
    micro_batches=(16, 32, 64),
    probe_steps=7,
    steps=16,
    curve_steps=50,
    curve_batch=8,
    prompts=512,
    few_prompts=64,
    asked_words=(40, 220),
    new_tokens=64,
    predict_batches=(64, 256),
    questions=512,
    few_questions=128,
    texts=20_000,
    text_words=(8, 64),
    max_k=30,
    loop_rows=60,
)

TOY = Scale(
    name="toy",
    shapes={
        "large": LLAMA_1B | TOY_LLAMA | {"vocab_size": 49_152},
        "small": SMOLLM2_135M | TOY_LLAMA,
        "embedder": MINILM | SMALL_LAYERS | {"num_attention_heads": 4},
    },
    matmul=256,
    rows=64,
    prompt_words=(8, 24),
    completion_words=(2, 8),
    batch_size=8,
    micro_batches=(4, 8),
    probe_steps=4,
    steps=5,
    curve_steps=4,
    curve_batch=4,
    prompts=12,
    few_prompts=8,
    asked_words=(6, 20),
    new_tokens=6,
    predict_batches=(4,),
    questions=12,
    few_questions=8,
    texts=60,
    text_words=(4, 12),
    max_k=5,
    loop_rows=12,
)

SCALES = {scale.name: scale for scale in (FULL, TOY)}
