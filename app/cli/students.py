"""`pada students`: what is known of common students."""

from __future__ import annotations

from typing import Literal, get_args

from trainer.memory import estimate
from trainer.presets import PRESETS, Preset
from trainer.shape import Shape
from trainer.specs import StudentSpec

Method = Literal["lora", "qlora", "full"]
TOKENS, ROWS = 512, 8
"""Tokens of a row, and rows at once, that the memory is for."""


def table() -> str:
    """All presets as text."""
    head = ("student", "parameters", "lora", "qlora", "full", "licence", "hub name")
    rows = [head, *(row_of(name, preset) for name, preset in PRESETS.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    notes = [f"{name}: {preset.note}." for name, preset in PRESETS.items() if preset.note]
    memory = f"lora, qlora, full: GiB that training takes on a GPU, estimated for {ROWS} rows of {TOKENS} tokens at once in bfloat16."
    use = "Use one with `student: {model: qwen3-0.6b}`. Any other hub name or folder of a decoder works too."
    return "\n".join([*lines, "", memory, use, *notes])


def row_of(name: str, preset: Preset) -> tuple[str, ...]:
    """The cells of a preset."""
    millions = Shape.of(preset.config).parameters / 1e6
    size = f"{millions / 1000:.1f} B" if millions >= 1000 else f"{millions:.0f} M"
    return (
        name,
        size,
        *(f"{gib(preset, method):.1f}" for method in get_args(Method)),
        preset.licence,
        preset.model,
    )


def gib(preset: Preset, method: Method) -> float:
    """Memory of a training."""
    student = StudentSpec(model=preset.model, method=method, max_length=TOKENS)
    return estimate(preset.config, student, TOKENS * ROWS, width=TOKENS).training / 2**30
