"""The tiny student, for benchmarks at toy size."""

from __future__ import annotations

from tests.trainer.conftest import tiny_student, tokenizer

__all__ = ["tiny_student", "tokenizer"]
