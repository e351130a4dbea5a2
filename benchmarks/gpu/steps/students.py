"""Random weights from configs, with a fixed seed, and a tokenizer: folders that load like any model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from benchmarks.gpu.check import Check
from benchmarks.gpu.install import TOKENIZER
from trainer.precision import pick_device
from trainer.weights import resolve_model

WORD_SCALE = 25.0
"""By how much an embedder's words outweigh what all texts share, such as positions."""


def run(check: Check) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER if TOKENIZER.is_dir() else builtin())
    for shape in ("large", "small"):
        folder = check.work / "models" / shape
        with check.timed(shape, "seconds"):
            model = made(LlamaForCausalLM, LlamaConfig(**check.scale.shapes[shape], **shared(tokenizer)))
            publish(model, tokenizer, folder)
        check.put(shape, "parameters", value=model.num_parameters())
        check.put(shape, "config", value=check.scale.shapes[shape])
    with check.timed("embedder", "seconds"):
        embedder(check, tokenizer)


def builtin() -> Path:
    """The embedded student's folder, where nothing was packed."""
    return Path(resolve_model("builtin:smollm2-135m"))


def shared(tokenizer: Any) -> dict[str, Any]:
    """What both students' configs say besides their shapes."""
    return {
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def made(kind: type[PreTrainedModel], config: Any) -> PreTrainedModel:
    """A bf16 model with random weights, made on the device."""
    torch.manual_seed(0)
    with torch.device(pick_device()):
        return kind(config).to(torch.bfloat16)


def publish(model: PreTrainedModel, tokenizer: Any, folder: Path) -> None:
    """Save model and tokenizer; an earlier folder is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="20GB")
    tokenizer.save_pretrained(folder)


def embedder(check: Check, tokenizer: Any) -> None:
    """A sentence-transformers folder: mean pooling over a random BERT."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    shape = check.scale.shapes["embedder"]
    raw, folder = check.work / "models" / "bert", check.work / "models" / "embedder"
    config = BertConfig(**shape, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    model = made(BertModel, config)
    # Random weights give all texts nearly one vector, and a run would take every new row for a copy of an old one.
    model.embeddings.word_embeddings.weight.data *= WORD_SCALE
    publish(model, tokenizer, raw)
    words = Transformer(str(raw), max_seq_length=256)
    shutil.rmtree(folder, ignore_errors=True)
    SentenceTransformer(modules=[words, Pooling(shape["hidden_size"])], device="cpu").save(str(folder))
