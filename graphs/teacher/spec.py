"""The teachers of a run, and what they may cost: the config sections `teacher` and `budget`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue

from graphs.ports import Role
from trainer.specs import Strict

OPENAI = "https://api.openai.com/v1"
VARIABLE = r"^([A-Z_][A-Z0-9_]*)?$"
"""A name as POSIX defines it (IEEE 1003.1, 8.1), or empty. So a key that was pasted here by mistake is refused."""

OURS = {"messages", "model", "n", "response_format", "stream", "tool_choice", "tools"}
"""Fields of a request's body that a config may not set."""


def _free(fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if taken := sorted(OURS & fields.keys()):
        raise ValueError(f"{', '.join(taken)} is set by pada itself: leave it out")
    return fields


def _address(url: str) -> str:
    """The address of a server; its text is not repeated in an error, because it may hold a login."""
    try:
        parts = urlsplit(url)
        # a port out of range raises
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or len(url) > 2000:
        raise ValueError("an address such as https://host/v1 or http://localhost:8000/v1 belongs here")
    return url


def _variable(name: str) -> str:
    if not re.fullmatch(VARIABLE, name):
        raise ValueError(
            "the name of an environment variable belongs here, such as OPENAI_API_KEY, and never the key itself"
        )
    return name


Address = Annotated[str, AfterValidator(_address)]
Variable = Annotated[str, AfterValidator(_variable)]
ExtraBody = Annotated[dict[str, JsonValue], AfterValidator(_free)]

StructuredOutput = Literal["auto", "json_schema", "function_calling", "json_mode"]


class Price(Strict):
    """What a model costs, in US dollars per million tokens."""

    input_per_million: float = Field(ge=0, le=1_000_000)
    """US dollars per million prompt tokens."""
    output_per_million: float = Field(ge=0, le=1_000_000)
    """US dollars per million completion tokens."""

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The cost of one call."""
        return (prompt_tokens * self.input_per_million + completion_tokens * self.output_per_million) / 1e6


class BudgetSpec(Strict):
    """Hard caps on what a run may spend on its teachers. None is no cap."""

    max_usd: float | None = Field(None, ge=0, le=1_000_000_000)
    """US dollars. Every model needs a known price."""
    max_calls: int | None = Field(None, ge=0, le=1_000_000_000)
    """Calls, including repeated ones."""
    max_tokens: int | None = Field(None, ge=0, le=1_000_000_000_000)
    """Prompt and completion tokens together."""


class RoleSpec(Strict):
    """What one role overrides. None keeps the common value."""

    base_url: Address | None = None
    """An OpenAI-compatible endpoint of its own."""
    model: str | None = None
    """The model's name at the endpoint."""
    api_key_env: Variable | None = None
    """A role with a `base_url` of its own gets no key unless it names one, so that keys do not go to other hosts."""
    temperature: float | None = Field(None, ge=0, le=100)
    """Sampling temperature."""
    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    """Maximum completion tokens of one call."""
    timeout_seconds: float | None = Field(None, gt=0, le=86_400)
    """For one call, from sending to the last byte."""
    max_concurrency: int | None = Field(None, ge=1, le=10_000)
    """Maximum calls in flight at the endpoint."""
    structured_output: StructuredOutput | None = None
    """How the server is asked for JSON."""
    extra_body: ExtraBody | None = None
    """Further fields of the request's body, in place of the common ones."""


class EndpointSpec(Strict):
    """Endpoint, model and settings of one role, with all overrides applied."""

    base_url: str
    model: str
    api_key_env: str | None
    temperature: float | None
    max_tokens: int
    timeout_seconds: float
    max_concurrency: int
    structured_output: StructuredOutput
    extra_body: ExtraBody


class TeacherSpec(Strict):
    """The teacher: one OpenAI-compatible endpoint and model, with overrides by role."""

    base_url: Address | None = None
    """An OpenAI-compatible endpoint, usually ending in `/v1`. None is OpenAI."""
    model: str = Field(min_length=1)
    """The model's name at the endpoint."""
    api_key_env: Variable = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key. Never put the key itself into a config."""
    temperature: float | None = Field(None, ge=0, le=100)
    """Sampling temperature. None is the server's default."""
    max_tokens: int = Field(4096, ge=1, le=10_000_000)
    """Maximum completion tokens of one call. Calls with short answers ask for fewer."""
    timeout_seconds: float = Field(120.0, gt=0, le=86_400)
    """For one call, from sending to the last byte."""
    max_concurrency: int = Field(8, ge=1, le=10_000)
    """Maximum calls in flight at one endpoint. After rate limits there are fewer."""
    max_retries: int = Field(8, ge=0, le=1000)
    """Maximum retries of one call after rate limits, time-outs and server errors."""
    backoff_seconds: float = Field(1.0, gt=0, le=3600)
    """Longest wait before the first retry. It doubles each time, up to 30 seconds."""
    structured_output: StructuredOutput = "auto"
    """`auto` is json_schema. If the server refuses that, it is function calling, then JSON mode."""
    extra_body: ExtraBody = {}
    """Further fields of the request's body, such as `reasoning_effort: low`."""
    breaker_failures: int = Field(8, ge=1, le=1_000_000)
    """The run pauses after this many failures in a row, over at least `breaker_seconds`."""
    breaker_seconds: float = Field(60.0, ge=0, le=86_400)
    """Shortest time over which `breaker_failures` failures in a row pause the run."""
    prices: dict[str, Price] = {}
    """Prices by model name. `budget.max_usd` needs one for each model that has no known price."""
    ledger: Path | None = None
    """File of recorded answers. None is a file in the run's own folder."""
    analyst: RoleSpec = RoleSpec()
    """Overrides for the role that explains failures, names patterns and drafts strategies."""
    generator: RoleSpec = RoleSpec()
    """Overrides for the role that writes rows."""
    judge: RoleSpec = RoleSpec()
    """Overrides for the role that scores rows."""

    def role(self, name: Role) -> EndpointSpec:
        """The values of one role, with its overrides applied."""
        override: RoleSpec = getattr(self, name)
        common = {field: getattr(self, field) for field in EndpointSpec.model_fields}
        common["base_url"] = (self.base_url or OPENAI).rstrip("/")
        own = override.model_dump(exclude_none=True)
        if "base_url" in own:
            own["base_url"] = own["base_url"].rstrip("/")
            if own["base_url"] != common["base_url"]:
                common["api_key_env"] = None
        return EndpointSpec.model_validate(common | own)


def missing_key(spec: EndpointSpec, environ: Mapping[str, str]) -> str:
    """Why the endpoint cannot be asked without a key, and what to do; empty if it has one, or may need none."""
    if environ.get(spec.api_key_env or "") or spec.base_url != OPENAI:
        return ""
    unset = (
        f"The environment variable {spec.api_key_env} is not set"
        if spec.api_key_env
        else "No `api_key_env` is named"
    )
    return (
        f"{unset}, and {spec.model} at OpenAI needs a key. Set it, or name another one in `teacher.api_key_env`, or set "
        "`teacher.base_url` to a server of your own."
    )
