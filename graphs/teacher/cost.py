"""What the teacher cost, in calls, tokens and US dollars."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True)
class Usage:
    """The tokens of one call."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Of the prompt: those that the server had in its cache."""
    cache_write_tokens: int = 0
    """Of the prompt: those that it put into its cache."""
    reasoning_tokens: int = 0
    """Of the completion: the model's thoughts."""


@dataclass(frozen=True)
class Charge:
    """What calls cost, or an upper bound of it."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Committed:
    """What a run has spent and holds. A cap is compared with it."""

    calls: int
    tokens: int
    usd: float


class Cost(BaseModel):
    """What the teacher has cost a run so far."""

    calls: int
    """Calls that were paid for."""
    prompt_tokens: int
    completion_tokens: int
    usd: float
    repeated: int
    """Answers that came from the ledger and were not paid for again."""
    retries: int = 0
    by_role: dict[str, dict[str, float]] = {}
    """role -> calls, prompt_tokens, completion_tokens, usd."""

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


NOTHING_SPENT = Cost(calls=0, prompt_tokens=0, completion_tokens=0, usd=0.0, repeated=0)


class SpendPoint(BaseModel):
    """Cumulative spending at one moment."""

    seconds: float
    """Since the run's first call."""
    usd: float
    tokens: int
    calls: int
