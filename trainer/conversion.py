"""Converts a `.gguf` file to a folder of safetensors."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from trainer.artifacts import publish_folder
from trainer.weights import ModelError


def convert(weights: Path, final: Path) -> None:
    """Dequantise a `.gguf` file to bf16 safetensors.

    A 4-bit weight has at most 16 values in each block of 32; rounding them to bf16 adds an error far below
    the quantisation's own, and halves the folder.
    """
    temporary = final.with_name(f"{final.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    source = {"pretrained_model_name_or_path": weights.parent, "gguf_file": weights.name}
    try:
        with explain_failures(str(weights), "weights"):
            tokenizer = AutoTokenizer.from_pretrained(**source)
            model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16)
        # a config that still calls the weights quantised would make the saved folder unreadable
        model.config.__dict__.pop("quantization_config", None)
        model.hf_quantizer = None
        model.is_quantized = False
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        publish_folder(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def explain_failures(name: str, part: str) -> Iterator[None]:
    """Keep the libraries quiet, and turn what they raise at files that they cannot read into one paragraph.

    Args:
        name: the student, or its folder or file.
        part: what is loaded, such as `weights`.

    Raises:
        ModelError: the part cannot be loaded.
    """
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # peft uses names that transformers has replaced
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except (torch.OutOfMemoryError, ModelError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        raise ModelError(f"Cannot load the {part} of {name!r}: {reason}") from error
