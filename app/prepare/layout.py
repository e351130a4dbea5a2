"""Which column is what, and what the user says about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.prepare.decisions import Decision, Sureness

NONE = "none"
"""What the user writes for `no such column`."""


@dataclass
class Choices:
    """What the user says about the columns where the guess would."""

    prompt: list[str] = field(default_factory=list)
    answer: str | None = None
    group: str | None = None
    time: str | None = None
    task: str | None = None


@dataclass
class Layout:
    """Which column is what."""

    prompt: list[str]
    """Columns of what is asked, joined by a blank line."""
    answer: str | None
    chat: str | None = None
    """Column of conversations."""
    system: str | None = None
    context: str | None = None
    options: list[str] = field(default_factory=list)
    """One column with a list of options, or one for each option."""
    group: str | None = None
    time: str | None = None
    identifier: str | None = None
    sureness: Sureness = "sure"
    decisions: list[Decision] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        """Why, a sentence each."""
        return [decision.reason for decision in self.decisions]
