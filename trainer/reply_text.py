"""The text of a reply while its tokens come. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNFINISHED = "\ufffd"
"""What the bytes of a character are decoded to before its last token."""


class ReplyText:
    """Turns tokens into the pieces of text that later tokens cannot change.

    Args:
        tokenizer: the student's.
        stops: texts that end the reply and are not part of it.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str]):
        self._tokenizer = tokenizer
        self._stops = [stop for stop in stops if stop]
        self._tokens: list[int] = []
        self._sent = 0
        self.stopped = False
        """A stop text has ended the reply."""

    def add(self, token: int) -> str:
        """What is certain after one more token."""
        self._tokens.append(token)
        text = self._text()
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.stopped = True
            return self._upto(text, min(places))
        return self._upto(text, len(text) - self._uncertain(text))

    def finish(self) -> str:
        """The rest of a reply that no stop text has ended."""
        text = self._text()
        return self._upto(text, len(text))

    def _text(self) -> str:
        return str(self._tokenizer.decode(self._tokens, skip_special_tokens=True))

    def _upto(self, text: str, end: int) -> str:
        piece = text[self._sent : end]
        self._sent = max(self._sent, end)
        return piece

    def _uncertain(self, text: str) -> int:
        """Characters at the end that may be a part of a character, or the beginning of a stop text."""
        begun = [size for stop in self._stops for size in range(1, len(stop)) if text.endswith(stop[:size])]
        return max([len(text) - len(text.rstrip(UNFINISHED)), *begun])
