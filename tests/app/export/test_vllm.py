"""The command that serves an export."""

from __future__ import annotations

from pathlib import Path

from app.export.vllm import serve_command
from trainer.specs import LoraSpec, StudentSpec


def test_an_adapter_is_served_on_its_base_and_a_model_alone() -> None:
    student = StudentSpec(model="a/base", lora=LoraSpec(r=20), dtype="bfloat16")
    adapter = serve_command(Path("/some where/out"), student, whole=False)
    assert adapter == (
        "vllm serve a/base --enable-lora --max-lora-rank 32 --lora-modules 'out=/some where/out' --dtype bfloat16 "
        "--generation-config vllm"
    )
    pinned = student.model_copy(update={"model": "a/base@v1"})
    command = serve_command(Path("/out"), pinned, whole=False)
    assert command.startswith("vllm serve a/base --revision v1 --enable-lora ")
    whole = serve_command(Path("/out"), StudentSpec(max_length=100, max_new_tokens=20), whole=True)
    assert whole == "vllm serve /out --served-model-name out --max-model-len 120 --generation-config vllm"
