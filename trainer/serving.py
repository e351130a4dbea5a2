"""The contract of `trainer.serve`: a question a line in, lines of the answer out. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trainer.records import Example
from trainer.specs import StudentSpec
from trainer.strict import Strict


class Question(Strict):
    """One line to the process: whom to ask, what, and how."""

    id: int
    """Each line of the answer has it."""
    task: str
    """Name of the task, which renders the input and limits the reply as in the run."""
    train: list[Path]
    """The run's training rows, from which the task learns its labels."""
    student: StudentSpec
    adapter: Path | None
    """What training left; None is the untrained student."""
    example: Example
    """The input as a row. Its completion is not used, except that some rows say with it in what form options are."""
    raw: bool = False
    """Take the prompt as the student's whole input: neither the task nor the chat template adds anything."""
    max_tokens: int | None = Field(None, ge=1)
    """Where the reply is cut; None is the run's own limit."""
    temperature: float = Field(0.0, ge=0)
    """0 takes the likeliest token, as predictions do."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sample among the likeliest tokens whose probabilities sum to this."""
    seed: int | None = None
    """Of the sampling; None takes a new one each time."""
    stop: list[str] = []
    """Texts that end the reply; they are not part of it."""
    json_schema: dict[str, Any] | None = None
    """The reply is JSON that follows this schema."""
    top_logprobs: int | None = Field(None, ge=0, le=20)
    """Report each token's log-probability, and so many alternatives; None reports none."""
    labels: bool = False
    """Report the probability of each label of a classification."""


class Cancel(Strict):
    """One line to the process: nobody waits for this answer any more."""

    cancel: int
    """Id of the question."""


class TokenLogprob(Strict):
    """A token and its log-probability (nats), before temperature and top-p."""

    token: str
    logprob: float


class ChosenToken(TokenLogprob):
    """A token of the reply."""

    top: list[TokenLogprob] = []
    """The likeliest tokens in its place."""


class AnswerEnd(Strict):
    """Why a reply has ended, and how long it was."""

    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    """Without the token that ends a reply."""
    options: dict[str, float] = {}
    """Label or option -> its probability among all of them, the likeliest first; empty where there are none."""


class AnswerLine(Strict):
    """One line of an answer. The last one has `end` or `error`."""

    id: int
    text: str = ""
    """What the reply goes on with."""
    tokens: list[ChosenToken] = []
    """The tokens behind it, where they were asked for."""
    end: AnswerEnd | None = None
    error: str | None = None
    refused: bool = False
    """The error is in the question: it would fail again."""
