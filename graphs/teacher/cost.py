"""What the teacher cost, in calls, tokens and US dollars."""

from __future__ import annotations

from pydantic import BaseModel


class Cost(BaseModel):
    """What the teacher cost, live from the ledger."""

    calls: int
    """Calls that were paid for."""
    prompt_tokens: int
    completion_tokens: int
    usd: float
    repeated: int
    """Answers taken from the ledger and not paid again."""
    retries: int = 0
    by_role: dict[str, dict[str, float]] = {}
    """role -> calls, prompt_tokens, completion_tokens, usd."""


class SpendPoint(BaseModel):
    """Cumulative spending at one moment."""

    seconds: float
    """Since the run began."""
    usd: float
    tokens: int
    calls: int
