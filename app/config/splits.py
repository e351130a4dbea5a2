"""The three splits, and when two prompts count as the same."""

from __future__ import annotations

import re
from typing import Literal

from trainer.records import Example

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_FOLDED = re.compile(r"""[\s.,;:!?'"`()\[\]{}…“”‘’«»–—]+""")
"""White space and the punctuation of sentences. Signs such as + - * / stay, because they change the meaning of a
sum."""


def comparable_prompt(example: Example) -> str:
    """A row's prompt in the form in which prompts are compared. It has every turn of a chat, because the last turn
    may be a bare "yes"."""
    turns = [turn.content for turn in example.messages] if example.messages else [example.prompt]
    return normalize_text("\n".join(turns))


def normalize_text(text: str) -> str:
    """Lower case, with punctuation and white space as single blanks.

    A text of punctuation and white space alone stays as it is.
    """
    return _FOLDED.sub(" ", text.casefold()).strip() or text
