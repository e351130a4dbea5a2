"""The rows that the trainer reads and writes. No torch here."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """One turn of a chat row."""

    role: str
    content: str


class Example(BaseModel):
    """One row of a data set: what the student is asked and what it should answer.

    `prompt` is text, or the earlier turns of a chat when `messages` is set (then `prompt` holds the
    last user turn, for display and for search). Fields of the source that we do not know are kept in
    `model_extra` and written back unchanged.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    prompt: str
    completion: str
    messages: list[Message] | None = None

    def field(self, name: str, default: Any = None) -> Any:
        """A source field that is not part of the contract, such as `choices` or `answers`."""
        return (self.model_extra or {}).get(name, default)


class Prediction(BaseModel):
    """What the student answered for one example."""

    id: str
    text: str
    """The reply: generated text, or the text of the choice with the highest likelihood."""
    choice: int | None = None
    """Index of the chosen choice, for tasks that score choices."""
    choice_logprobs: list[float] | None = None
    """Sum of the log-probabilities (nats) of each choice's tokens given the context."""
    tokens: int = 0
    """Number of generated tokens, the end-of-text token not counted."""
    truncated: bool = False
    """True when generation ended by the token limit and not by end of text."""


class Score(BaseModel):
    """How good one prediction is."""

    id: str
    value: float
    """The task's primary metric for this row, 0 to 1."""
    correct: bool
    """Whether the row counts as right; a failure is a row with `correct` false."""
    explanation: str
    """One sentence that a teacher can use: what was expected, what came, what differs."""
    detail: dict[str, Any] = {}
    """Further numbers of the task, such as `f1` or per-field counts; summed up by `Task.summarize`."""
