"""The contract of `trainer.lengths`: which rows are measured, and what comes out. This module does not import torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from trainer.specs import StudentSpec
from trainer.strict import Strict


class LengthSpec(Strict):
    """Which rows are measured, and for which student."""

    task: str
    """Name of the task, or `module:object`."""
    task_folder: Path | None = None
    """See `TrainSpec.task_folder`."""
    student: StudentSpec
    """The config's `student`."""
    files: dict[str, Path]
    """Split -> JSONL of `Example`; `train` is one of them."""
    unlabeled: Path | None = None
    """JSONL of rows without answers, which are measured under that name."""
    output: Path
    """The `LengthReport` as JSON."""


class LengthReport(BaseModel):
    """What was measured."""

    prompt: dict[str, list[int]]
    """Split -> tokens of each row's prompt, in order."""
    completion: dict[str, list[int]]
    """Split -> tokens of each row's answer, with the token that ends a reply."""
    special: dict[str, list[str]]
    """Split -> ids of rows whose text spells a token that controls the student."""
    unwritable: dict[str, dict[str, str]]
    """Split -> id of a row that the chat template refuses -> why. Its lengths are 0."""
    reply_limit: int
    """Maximum tokens of a generated reply."""
    generated: bool
    """Whether replies are generated; else the likeliest of some choices is taken."""
    chat: bool
    """Whether prompts go through a chat template."""
    memory: int
    """Bytes that training takes with the configured batch."""
    available: int | None
    """Bytes that are free on the device; None where it does not say."""
    device: str
    """`cpu`, `cuda`, ..."""
