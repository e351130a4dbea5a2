"""The three splits."""

from __future__ import annotations

from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
UNLABELED = "unlabeled"
"""The name of the rows without answers, which are no split."""
