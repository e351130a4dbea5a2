"""Texts as requests bring them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from trainer.strict import holds_unstorable


def storable(text: str) -> str:
    """Refuses a NUL and half of a surrogate pair, which JSON can have, and rows and files cannot."""
    if holds_unstorable(text):
        raise ValueError("the text holds a NUL, or half a character, which is not valid Unicode")
    return text


Text = Annotated[str, AfterValidator(storable)]
