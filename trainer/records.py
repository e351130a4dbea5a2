"""The rows that the trainer reads and writes. This module does not import torch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """One turn of a chat row."""

    role: str
    content: str


class Example(BaseModel):
    """One row of a data set: the prompt, and the answer that the student should give.

    If `messages` is set, it holds the earlier turns of a chat, and `prompt` repeats the last user turn for display and
    search. Other fields of the source are kept in `model_extra` and written back unchanged.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    prompt: str
    completion: str
    messages: list[Message] | None = None

    def field(self, name: str, default: Any = None) -> Any:
        """A field of the source that is not declared here, such as `choices` or `answers`."""
        return (self.model_extra or {}).get(name, default)


class Prediction(BaseModel):
    """The student's answer to one example."""

    id: str
    text: str
    """The reply: generated text, or the text of the choice with the highest likelihood."""
    choice: int | None = None
    """Index of the chosen choice, for tasks with choices."""
    choice_logprobs: list[float] | None = None
    """For each choice, the sum of the log-probabilities (nats) of its tokens given the context."""
    certainty: float | None = None
    """Probability of this reply among all replies, or among the choices, by the student. None where it was not asked for."""
    tokens: int = 0
    """Number of generated tokens, without the end-of-text token."""
    truncated: bool = False
    """True if the token limit ended generation, not the end of text."""


class Score(BaseModel):
    """How good one prediction is."""

    id: str
    value: float
    """The task's primary metric for this row, 0 to 1."""
    correct: bool
    """Whether the row counts as right. A failure is a row with `correct` false."""
    explanation: str
    """One sentence for the teacher: what was expected, what the student answered, what differs."""
    detail: dict[str, Any] = {}
    """Further numbers of the task, such as `f1` or counts per field. `Task.summarize` aggregates them."""
