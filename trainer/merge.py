"""A student and its adapter as one plain model folder: `python -m trainer.merge SPEC.json`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from trainer.artifacts import publish_folder
from trainer.data import stop_tokens
from trainer.model import load_model, load_tokenizer
from trainer.program import run_spec
from trainer.specs import MergeSpec, StudentSpec
from trainer.weights import ModelError


def main(arguments: list[str]) -> int:
    """Run one spec file; returns the exit code."""
    known = (ModelError, OSError)
    return run_spec(
        "merge", MergeSpec, lambda spec: merge(spec.student, spec.adapter, spec.output), known, arguments
    )


def merge(student: StudentSpec, adapter: Path, output: Path) -> Path:
    """Write the student's weights with the adapter added, and its tokenizer; transformers alone can load the folder.

    The sum is kept in float32 unless the student asks for 16 bits: rounded to bf16, small changes of large weights are
    lost, and the folder would not answer as the adapter does.

    Args:
        student: names the base model. An adapter trained on quantised weights (QLoRA) is added to the full ones.
        adapter: what training left; a full model folder is written as it is.
        output: replaced if it is there; complete or absent.

    Raises:
        ModelError: base model or adapter are missing or unreadable.
        OSError: the folder cannot be written.
    """
    if student.method == "qlora":
        student = student.model_copy(update={"method": "lora"})
    tokenizer = load_tokenizer(student)
    model = load_model(student, adapter, trainable=False, device=torch.device("cpu")).float()
    if student.method == "lora":
        model = model.merge_and_unload(safe_merge=True)
    if student.dtype in ("bfloat16", "float16"):
        model = model.to(getattr(torch, student.dtype))
    end_as_trained(model, tokenizer, student)
    temporary = output.with_name(f".{output.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        publish_folder(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return output


def end_as_trained(model: Any, tokenizer: Any, student: StudentSpec) -> None:
    """Name what ends a reply in the generation config, too: a template may end one with another token than the model's own."""
    known = model.generation_config.eos_token_id
    named = known if isinstance(known, list) else [] if known is None else [known]
    missing = [token for token in stop_tokens(tokenizer, student) if token not in named]
    if missing:
        model.generation_config.eos_token_id = [*named, *missing]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
