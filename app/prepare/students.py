"""What is known of common students: sizes, memory, licences. It is light, because the service imports it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from trainer.memory import estimate
from trainer.presets import PRESETS, Preset
from trainer.shape import Shape
from trainer.specs import StudentSpec

Tuning = Literal["lora", "qlora", "full"]
TOKENS, ROWS = 512, 8
"""Tokens of a row, and rows at once, that the memory is for."""


@dataclass(frozen=True)
class KnownStudent:
    """A student with a short name."""

    name: str
    model: str
    """Its name on the hub."""
    size: str
    """Parameters in words."""
    memory: dict[Tuning, float]
    """GiB that training takes on a GPU."""
    licence: str
    note: str


@cache
def known_students() -> tuple[KnownStudent, ...]:
    """All that `student.model` knows by a short name."""
    return tuple(_known(name, preset) for name, preset in PRESETS.items())


def _known(name: str, preset: Preset) -> KnownStudent:
    millions = Shape.of(preset.config).parameters / 1e6
    return KnownStudent(
        name=name,
        model=preset.model,
        size=f"{millions / 1000:.1f} B" if millions >= 1000 else f"{millions:.0f} M",
        memory={tuning: gib(preset, tuning) for tuning in get_args(Tuning)},
        licence=preset.licence,
        note=preset.note,
    )


def gib(preset: Preset, method: Tuning) -> float:
    """Memory of a training."""
    student = StudentSpec(model=preset.model, method=method, max_length=TOKENS)
    return estimate(preset.config, student, TOKENS * ROWS, width=TOKENS).training / 2**30
