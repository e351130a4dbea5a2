"""What an engine answers. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Done = Callable[[int], None]
"""Called with the number of rows that a batch finished."""


@dataclass
class Reply:
    """One generated reply."""

    tokens: list[int]
    """Without the stop token."""
    truncated: bool
    """Whether the limit ended it."""


def reply_of(tokens: Sequence[int], stops: Sequence[int]) -> Reply:
    """Generated tokens as a reply; they may end with the stop token."""
    stopped = bool(tokens) and tokens[-1] in stops
    return Reply(list(tokens[:-1] if stopped else tokens), truncated=not stopped)
