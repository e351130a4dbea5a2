"""A small problem with a gap: data whose validation rows use words that train never shows, and a student of 3 million weights.

A request belongs to the label of its one key word; everything else in it is filler. Train shows half of the key words.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

KEYS = {
    "delivery": ("parcel", "courier", "shipment", "doorstep"),
    "refund": ("money", "reimburse", "repay", "chargeback"),
    "login": ("password", "signin", "lockout", "username"),
    "invoice": ("bill", "receipt", "statement", "itemised"),
}
"""Label -> its key words; train shows the first two, validation and test show all."""

WORDS = (
    "amber anchor apple arrow autumn badge barn basket beacon bell berry birch blanket bottle branch brick bridge broom "
    "bucket butter cabin candle canyon carpet cedar chalk cherry chimney cinder clay cloud clover cobalt copper coral "
    "cotton crane creek cricket crystal curtain daisy desert dune eagle ember fabric falcon feather fern fiddle flint "
    "forest fossil garden ginger glacier granite grape gravel hammer harbor hazel hedge heron hill honey island ivory "
    "jacket jasmine kettle ladder lagoon lantern lavender lemon lilac linen magnet maple marble meadow mirror moss "
    "mountain needle nectar oak ocean olive orchid otter paddle pebble pepper pillow plum pocket pond poplar prairie "
    "quartz quilt rabbit raven ribbon river saddle sage sailor sand shadow silver slate spruce stone sugar summit "
    "sunset thistle thunder timber tulip tunnel valley velvet violet walnut willow window winter wool yarn zephyr"
)
FILLER = WORDS.split()
BEFORE, AFTER = "Classify the request.\nRequest: ", "\nLabel:"
"""What all prompts share."""


def ask(key: str, rng: random.Random) -> str:
    """One request with this key word among seven fillers."""
    text = rng.sample(FILLER, 7)
    text.insert(rng.randrange(8), key)
    return BEFORE + " ".join(text) + AFTER


def request_of(prompt: str) -> str:
    """The request alone, without what all prompts share."""
    return prompt.removeprefix(BEFORE).removesuffix(AFTER)


def label_of(prompt: str) -> str:
    """The right label of a request."""
    labels = [label for label, keys in KEYS.items() if set(keys) & set(prompt.split())]
    assert len(labels) == 1, prompt
    return labels[0]


def rows(split: str, count: int = 40, seed: int = 0) -> list[dict[str, str]]:
    """The rows of a split: labels and key words in turn."""
    rng = random.Random(f"{split}/{seed}")
    shown = 2 if split == "train" else 4
    turns = [(label, keys[turn % shown]) for turn in range(count) for label, keys in KEYS.items()]
    return [
        {"id": f"{split}-{number}", "prompt": ask(key, rng), "completion": label}
        for number, (label, key) in enumerate(turns[:count])
    ]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_data(folder: Path, count: int = 40) -> Path:
    """A data folder with its three splits."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation", "test"):
        write_rows(folder / f"{split}.jsonl", rows(split, count))
    return folder


def config_for(
    data: Path, student: Path | str, base_url: str | None, **sections: dict[str, Any]
) -> dict[str, Any]:
    """A config that takes seconds; `sections` overrides keys of sections."""
    config: dict[str, Any] = {
        "task": "classification",
        "seed": 7,
        "evaluate_untrained": False,
        "data": str(data),
        "student": {
            "model": str(student),
            "template": "plain",
            "epochs": 6,
            "learning_rate": 0.003,
            "batch_size": 8,
            "max_length": 128,
            "max_new_tokens": 6,
            "dtype": "float32",
            "checkpoint_every": 20,
        },
        "loop": {
            "rounds": 2,
            "synthetic_per_round": 24,
            "samples_per_batch": 4,
            "max_patterns": 4,
            "patience": 3,
            "oversample": 1,
        },
    }
    if base_url:
        config["teacher"] = {
            "base_url": base_url,
            "model": "scripted_teacher",
            "api_key_env": "TINY_KEY",
            "backoff_seconds": 0.05,
            "breaker_failures": 3,
            "breaker_seconds": 0.3,
            "timeout_seconds": 10,
        }
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section} if isinstance(section, dict) else section
    return config


def write_config(path: Path, config: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


MAKE_STUDENT = """
import sys, torch
from pathlib import Path
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trainer.finetune import finetune
from trainer.weights import resolve_model
from trainer.progress import ProgressLog
from trainer.specs import StudentSpec, TrainSpec

folder = Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(resolve_model("builtin:smollm2-135m"))
torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True, initializer_range=0.1,
    bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id))
model.save_pretrained(folder / "random")
tokenizer.save_pretrained(folder / "random")
student = StudentSpec(model=str(folder / "random"), method="full", template="plain", dtype="float32", epochs=4,
                      learning_rate=0.003, batch_size=16)
spec = TrainSpec(task="classification", student=student, train=[folder / "first.jsonl"], output=folder / "made")
finetune(spec, ProgressLog(folder / "progress.jsonl"))
"""


def make_student(folder: Path) -> Path:
    """A Llama of two layers with the embedded student's tokenizer that knows the first key word of each label.

    Torch stays in a sub-process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random("first")
    first = [(label, keys[0]) for label, keys in KEYS.items()] * 150
    write_rows(
        folder / "first.jsonl",
        [
            {"id": str(n), "prompt": ask(key, rng), "completion": label}
            for n, (label, key) in enumerate(first)
        ],
    )
    command = [sys.executable, "-c", MAKE_STUDENT, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder / "made" / "model"
