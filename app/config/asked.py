"""What a row asks, and when two prompts count as the same."""

from __future__ import annotations

from trainer.records import Example
from trainer.text import comparable


def comparable_prompt(example: Example) -> str:
    """A row's prompt in the form in which prompts are compared. It has every turn of a chat, because the last turn
    may be a bare "yes"."""
    turns = [turn.content for turn in example.messages] if example.messages else [example.prompt]
    return comparable("\n".join(turns))


def asked_of(example: Example) -> str:
    """What a row asks: its prompt, or all turns of a chat but the system's."""
    if not example.messages:
        return example.prompt
    return "\n".join(turn.content for turn in example.messages if turn.role != "system")
