"""The teachers of a run, and what they may cost: the config sections `teacher` and `budget`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from graphs.ports import Role
from graphs.teacher.cost import Usage
from trainer.strict import Address, Name, Strict

OPENAI = "https://api.openai.com/v1"
VARIABLE = r"^([A-Z_][A-Z0-9_]*)?$"
"""A name as POSIX defines it (IEEE 1003.1, 8.1), or empty. So a key that was pasted here by mistake is refused."""

HEADER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
"""A header's name (RFC 9110, 5.6.2)."""
MOST_HEADERS = 20
OUR_HEADERS = {
    "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host", "te", "trailer",
    "transfer-encoding", "upgrade", "x-run-id",
}  # fmt: skip
"""Headers that say how a request is sent. A config may not set them."""

OURS = {"messages", "model", "n", "response_format", "stream", "tool_choice", "tools"}
"""Fields of a request's body that a config may not set."""


def _free(fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if taken := sorted(OURS & fields.keys()):
        raise ValueError(f"{', '.join(taken)} is set by pada itself: leave it out")
    return fields


def _variable(name: str) -> str:
    if not re.fullmatch(VARIABLE, name):
        raise ValueError(
            "the name of an environment variable belongs here, such as OPENAI_API_KEY, and never the key itself"
        )
    return name


def _headers(given: Any) -> Any:
    """Headers and the variables that hold their values. Neither is repeated in an error, because one may be a key."""
    if not isinstance(given, dict) or len(given) > MOST_HEADERS:
        raise ValueError(
            f"at most {MOST_HEADERS} headers belong here, such as `api-key: AZURE_OPENAI_API_KEY`"
        )
    for name, variable in given.items():
        if not isinstance(name, str) or not re.fullmatch(HEADER, name) or not isinstance(variable, str):
            raise ValueError(
                "the name of a header and that of an environment variable belong here, such as "
                "`api-key: AZURE_OPENAI_API_KEY`"
            )
        if not _variable(variable):
            raise ValueError("each header needs the name of an environment variable")
    names = [name.lower() for name in given]
    if taken := sorted(OUR_HEADERS & set(names)):
        raise ValueError(f"the header {taken[0]} is set by pada itself: leave it out")
    if len(set(names)) < len(names):
        raise ValueError("a header stands here twice: names differ in more than upper and lower case")
    return given


Variable = Annotated[str, AfterValidator(_variable)]
Headers = Annotated[dict[str, str], BeforeValidator(_headers)]
ExtraBody = Annotated[dict[str, JsonValue], AfterValidator(_free)]

StructuredOutput = Literal["auto", "json_schema", "function_calling", "json_mode"]


PerMillion = Annotated[float, Field(ge=0, le=1_000_000)]


class Price(Strict):
    """What a model costs, in US dollars per million tokens."""

    input_per_million: PerMillion
    """US dollars per million prompt tokens."""
    output_per_million: PerMillion
    """US dollars per million completion tokens."""
    cached_input_per_million: PerMillion | None = None
    """For prompt tokens that the server had in its cache. None is the price of the others."""
    cache_write_per_million: PerMillion | None = None
    """For prompt tokens that it put into its cache. None is the price of the others."""
    reasoning_per_million: PerMillion | None = None
    """For completion tokens of the model's thoughts. None is the price of the others."""

    def usd(self, usage: Usage) -> float:
        """The cost of one call."""
        plain_input = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
        plain_output = usage.completion_tokens - usage.reasoning_tokens
        return (
            plain_input * self.input_per_million
            + usage.cached_tokens * _or(self.cached_input_per_million, self.input_per_million)
            + usage.cache_write_tokens * _or(self.cache_write_per_million, self.input_per_million)
            + plain_output * self.output_per_million
            + usage.reasoning_tokens * _or(self.reasoning_per_million, self.output_per_million)
        ) / 1e6

    def bound_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The most that so many tokens can cost, of whatever kind they are."""
        inputs = (self.input_per_million, self.cached_input_per_million, self.cache_write_per_million)
        outputs = (self.output_per_million, self.reasoning_per_million)
        return (
            prompt_tokens * max(each or 0 for each in inputs)
            + completion_tokens * max(each or 0 for each in outputs)
        ) / 1e6


def _or(price: float | None, other: float) -> float:
    return other if price is None else price


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
    model: Name | None = None
    """The model's name at the endpoint."""
    api_key_env: Variable | None = None
    """A role with a `base_url` of its own gets no key unless it names one, so that keys do not go to other hosts."""
    headers_env: Headers | None = None
    """Headers in place of the common ones, which do not go to a `base_url` of the role's own either."""
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
    headers_env: dict[str, str]
    temperature: float | None
    max_tokens: int
    timeout_seconds: float
    max_concurrency: int
    structured_output: StructuredOutput
    extra_body: ExtraBody

    @property
    def variables(self) -> list[str]:
        """Names of the environment variables whose values are sent."""
        return [name for name in (self.api_key_env, *self.headers_env.values()) if name]

    @property
    def service_tier(self) -> str:
        """The tier that is asked for; empty if none is."""
        return str(self.extra_body.get("service_tier") or "")


class TeacherSpec(Strict):
    """The teacher: one OpenAI-compatible endpoint and model, with overrides by role."""

    base_url: Address | None = None
    """An OpenAI-compatible endpoint, usually ending in `/v1`. None is OpenAI."""
    model: Name
    """The model's name at the endpoint."""
    api_key_env: Variable = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key. Never put the key itself into a config. With `headers_env` no
    key is sent unless this names one."""
    headers_env: Headers = {}
    """Further headers: the name, and the environment variable that holds the value, such as `api-key: AZURE_OPENAI_API_KEY`
    for Azure. They go to the host of `base_url` alone."""
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
    price_aliases: dict[str, str] = {}
    """Model names whose price is that of another name in a list, such as `my-deployment: gpt-5-mini`."""
    price_file: Path | None = None
    """JSON file of prices by model name, in the form of `prices` or of LiteLLM's price list. None is the file that `PADA_PRICES`
    names, if it is set."""
    ledger: Path | None = None
    """File of recorded answers. None is a file in the run's own folder."""
    analyst: RoleSpec = RoleSpec()
    """Overrides for the role that explains failures, names patterns and drafts strategies."""
    generator: RoleSpec = RoleSpec()
    """Overrides for the role that writes rows."""
    judge: RoleSpec = RoleSpec()
    """Overrides for the role that scores rows."""

    @model_validator(mode="after")
    def _no_key_beside_headers(self) -> Self:
        if self.headers_env and "api_key_env" not in self.model_fields_set:
            self.api_key_env = ""
        return self

    def role(self, name: Role) -> EndpointSpec:
        """The values of one role, with its overrides applied."""
        override: RoleSpec = getattr(self, name)
        common = {field: getattr(self, field) for field in EndpointSpec.model_fields}
        common["base_url"] = (self.base_url or OPENAI).rstrip("/")
        own = override.model_dump(exclude_none=True)
        if "base_url" in own:
            own["base_url"] = own["base_url"].rstrip("/")
            if own["base_url"] != common["base_url"]:
                common |= {"api_key_env": None, "headers_env": {}}
        return EndpointSpec.model_validate(common | own)
