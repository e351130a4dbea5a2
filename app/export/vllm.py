"""The command that serves an exported folder with vLLM."""

from __future__ import annotations

import shlex
from pathlib import Path

from app.errors import PadaError
from trainer.presets import split_revision
from trainer.specs import StudentSpec
from trainer.vllm import enable_lora


def refuse_without_base(student: StudentSpec) -> None:
    """An adapter is served on the base that it was trained on, in a form that vLLM reads.

    Raises:
        PadaError: the base is embedded or a `.gguf` file.
    """
    if student.method != "full" and (student.model.startswith("builtin:") or student.model.endswith(".gguf")):
        raise PadaError(
            f"vLLM cannot load the base {student.model!r}, on which the adapter was trained. Add --merged for the whole model."
        )


def serve_command(folder: Path, student: StudentSpec, *, whole: bool) -> str:
    """`vllm serve ...` for a merged model or an adapter. Sampling is left to the caller's request.

    Args:
        folder: the export.
        student: base and adapter.
        whole: the folder holds a whole model.
    """
    base, revision = split_revision(student.model)
    command = ["vllm", "serve", str(folder) if whole else base]
    command += ["--revision", revision] if revision and not whole else []
    command += ["--served-model-name", folder.name] if whole else []
    if not whole:
        command += [*enable_lora(student), "--lora-modules", f"{folder.name}={folder}"]
    if student.max_new_tokens:
        command += ["--max-model-len", str(student.max_length + student.max_new_tokens)]
    if student.dtype != "auto":
        command += ["--dtype", student.dtype]
    return shlex.join([*command, "--generation-config", "vllm"])
