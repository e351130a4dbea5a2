"""The three splits, and when two rows ask the same."""

from __future__ import annotations

import re
from typing import Literal

from trainer.records import Example

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_FOLDED = re.compile(r"""[\s.,;:!?'"`()\[\]{}…“”‘’«»–—]+""")
"""White space and the punctuation of sentences; signs such as + - * / stay, for they change what a sum means."""


def comparable_prompt(example: Example) -> str:
    """All that the student is asked, as prompts are compared: of a chat every turn, for the last alone may be a bare "yes"."""
    turns = [turn.content for turn in example.messages] if example.messages else [example.prompt]
    return normalize_text("\n".join(turns))


def normalize_text(text: str) -> str:
    """A text as prompts are compared: lower case, punctuation and white space as single blanks.

    A text of nothing else stays as it is.
    """
    return _FOLDED.sub(" ", text.casefold()).strip() or text
