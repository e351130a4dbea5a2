"""Texts as requests bring them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def unicode(text: str) -> str:
    """Refuses half of a surrogate pair, which JSON can have and no text file can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text is not valid Unicode") from None
    return text


Text = Annotated[str, AfterValidator(unicode)]
