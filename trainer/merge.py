"""Merge an adapter into its base model: `python -m trainer.merge SPEC.json`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from pydantic import ValidationError

from trainer.artifacts import publish_folder
from trainer.model import ModelError, load_model, load_tokenizer
from trainer.specs import MergeSpec


def main(arguments: list[str]) -> int:
    """Run one spec file; returns the exit code. Errors are one paragraph on stderr."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m trainer.merge SPEC.json\n")
        return 2
    try:
        spec = MergeSpec.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
        merge(spec)
    except (ModelError, OSError, ValidationError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return 1
    return 0


def merge(spec: MergeSpec) -> None:
    """Write the merged model, loadable by `transformers` alone.

    The sum of base and adapter is taken and kept in float32 on a CPU, as predictions there use it, and in the
    student's own precision on a GPU. A quantised base is loaded whole, because an adapter cannot be merged into 4-bit weights.

    Raises:
        ModelError: base or adapter cannot be loaded.
        OSError: the folder cannot be written; nothing is left of it.
    """
    student = spec.student.model_copy(update={"method": "lora"} if spec.student.method == "qlora" else {})
    dtype = None if torch.cuda.is_available() else torch.float32
    model = load_model(student, spec.adapter, trainable=False, dtype=dtype)
    if student.method != "full":
        model = model.merge_and_unload()
    temporary = spec.output.with_name(f".{spec.output.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        model.save_pretrained(temporary)
        load_tokenizer(student).save_pretrained(temporary)
        publish_folder(temporary, spec.output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
