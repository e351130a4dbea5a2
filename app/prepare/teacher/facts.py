"""What the calls of `check --teacher` have shown, as types."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from graphs.teacher.spec import Price

Part = Literal["analyst", "namer", "strategist", "writer", "judge"]
"""What a teacher does in a run."""
Format = Literal["json_schema", "json_object", "tools"]
"""How a server is asked for JSON, in its own words."""


class CallFacts(BaseModel):
    """One call, with all its requests."""

    part: Part
    schema_name: str = Field(serialization_alias="schema")
    answered: bool
    error: str | None = None
    """Why it was not, and what to do."""
    requests: int = 0
    seconds: float = 0.0
    """Of the answer alone, or of the last request."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Of all requests; an upper bound where the server reports no usage."""
    usd: float | None = None
    """None without a price."""


class ModelFacts(BaseModel):
    """One model at one address, for the roles that it has."""

    model: str
    address: str
    """Without a login."""
    roles: list[str]
    """The roles of the config."""
    format: Format | None = None
    """How it gives JSON that fits; None if no answer was fit."""
    refused: list[Format] = []
    """What it does not know."""
    instructed: bool = False
    """Whether its answers fit only because the instructions contain the schema."""
    limit: str
    """Name of the limit of completion tokens that it takes."""
    max_tokens: int
    """The config's limit."""
    context: int | None = None
    """Tokens of prompt and answer together, where the server says so."""
    takes_temperature: bool = True
    reports_usage: bool | None = None
    """None without an answer."""
    thinks: bool | None = None
    """Whether it is a reasoning model; None without an answer."""
    price: Price | None = None
    calls: list[CallFacts] = []

    @property
    def answered(self) -> list[CallFacts]:
        """The calls with an answer."""
        return [call for call in self.calls if call.answered]
