"""What is decided about a file where its owner has said nothing: what, why, and how sure that is."""

from __future__ import annotations

from typing import Literal, NamedTuple

Sureness = Literal["sure", "likely", "a guess"]
About = Literal[
    "sheet",
    "encoding",
    "separator",
    "header",
    "prompt",
    "answer",
    "context",
    "group",
    "time",
    "task",
    "sizes",
]
"""What can be decided; the user's word for it is an option of `pada init` with the same name, but for `context` and `sizes`."""
SAID = "you said so"


class Decision(NamedTuple):
    """One thing that was decided."""

    about: About
    reason: str
    """A sentence."""
    sureness: Sureness = "sure"
    value: str = ""
    """What was taken, as an option takes it; empty where it stands elsewhere, such as the columns of a layout."""
