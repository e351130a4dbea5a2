"""The table of docs/guides/gpu.md: the largest micro-batch by memory, computed by the trainer's estimate.

python -m benchmarks.gpu.memory_table
"""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.scale import LLAMA_1B, SMOLLM2_135M
from trainer.memory import MemoryEstimate, estimate
from trainer.specs import StudentSpec

TOKENS, LABELS = 1024, 256
"""Of each row: in all, and with a loss."""
CARDS = (8, 24, 80)
"""Memory in GB."""
SHARE = 0.95
"""Of the memory that may be used."""
MOST = 64
"""The largest micro-batch of the table."""

LLAMA_3B = {
    **LLAMA_1B,
    "hidden_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "head_dim": 128,
}
LLAMA_8B = {
    **LLAMA_3B,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
STUDENTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "135M (SmolLM2)": ({**SMOLLM2_135M, "tie_word_embeddings": True}, ("lora", "full")),
    "1B (Llama 3.2)": ({**LLAMA_1B, "tie_word_embeddings": True}, ("lora", "qlora", "full")),
    "3B (Llama 3.2)": ({**LLAMA_3B, "tie_word_embeddings": True}, ("lora", "qlora")),
    "8B (Llama 3.1)": ({**LLAMA_8B, "tie_word_embeddings": False}, ("lora", "qlora")),
}
"""Name -> its config.json, as far as memory depends on it, and the methods of the table."""


def training(config: dict[str, Any], method: str, rows: int) -> MemoryEstimate:
    """The estimate for a micro-batch of rows of the table's length."""
    student = StudentSpec.model_validate({"method": method, "max_length": TOKENS})
    return estimate(config, student, rows * TOKENS, labels=rows * LABELS, width=TOKENS)


def largest(config: dict[str, Any], method: str, gigabytes: int) -> str:
    """The largest micro-batch that fits, a power of two; "no" where not even one row does."""
    fitting = [
        rows
        for rows in (2**power for power in range(MOST.bit_length()))
        if training(config, method, rows).training <= SHARE * gigabytes * 1e9
    ]
    return str(max(fitting)) if fitting else "no"


def table() -> str:
    """The table in Markdown."""
    lines = [
        "| student | method | without rows | each row | 8 GB | 24 GB | 80 GB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (config, methods) in STUDENTS.items():
        for place, method in enumerate(methods):
            one, two = training(config, method, 1), training(config, method, 2)
            sizes = f"{one.fixed / 1e9:.1f} GB | {(two.training - one.training) / 1e9:.1f} GB"
            cells = " | ".join(largest(config, method, card) for card in CARDS)
            label = "" if place else f" {name}"
            lines.append(f"|{label} | `{method}` | {sizes} | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
