"""The contract of `trainer.to_gguf`. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from trainer.specs import StudentSpec
from trainer.strict import Strict


class GgufSpec(Strict):
    """A merged student as a `.gguf` file, and the rows that it answers."""

    task: str
    """Name of the task, or `module:object`."""
    task_folder: Path | None = None
    """See `TrainSpec.task_folder`."""
    student: StudentSpec
    """`model` is the merged folder, `method` is full."""
    train: list[Path]
    """Training rows, from which the task learns its label set."""
    rows: Path | None
    """JSONL of the rows that llama.cpp answers; None for none."""
    predictions: Path
    """JSONL of `Prediction`; not written if nothing is compared."""
    name: str
    """The model's name in the file."""
    quantization: Literal["f16", "q8_0"]
    """How matrices are stored."""
    output: Path
    """The `.gguf` file."""
    modelfile: Path | None = None
    """Write Ollama's Modelfile here, in the folder of `output`."""
    report: Path
    """The `GgufReport` as JSON. Its existence means that the rest is complete."""


class GgufReport(Strict):
    """What was done after the file was written."""

    not_compared: str | None = None
    """Why llama.cpp did not answer the rows; None if it did."""
