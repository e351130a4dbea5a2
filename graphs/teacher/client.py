"""The client of one model at one endpoint: its connections, its rate limit, and what it has learnt of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from openai import AuthenticationError, DefaultAsyncHttpxClient, OpenAIError, PermissionDeniedError
from pydantic import SecretStr

from graphs.teacher.connections import refuse_moved
from graphs.teacher.cost import Usage
from graphs.teacher.credentials import Credentials
from graphs.teacher.failures import MALFORMED, CallFailure, classify, truncate
from graphs.teacher.network import CheckedTransport, Network, RefusedAddressError
from graphs.teacher.rate_limit import AdaptiveConcurrency, CircuitBreaker
from graphs.teacher.request import MODES, Dialect, Mode
from graphs.teacher.spec import EndpointSpec, TeacherSpec

TOKENS_AROUND = 32
"""Completion tokens of an answer's frame, such as the name of a tool."""


@dataclass(frozen=True)
class Reply:
    """An answer of the endpoint."""

    text: str
    truncated: bool
    usage: Usage | None
    """What it took, if the server reports it."""
    declined: str = ""
    """Why the model or a content filter did not answer."""
    model: str = ""
    """The model that answered, by its own account: a router's or an alias's may be another one than was asked for."""
    service_tier: str = ""
    """The tier in which the server says that it answered, which may be another one than was asked for."""

    @property
    def thought(self) -> bool:
        """Whether the model thought before it answered: by its tags, by its usage, or by more tokens than bytes."""
        if "</think>" in self.text:
            return True
        took, visible = self.usage, len(self.text.encode()) + TOKENS_AROUND
        return took is not None and (took.reasoning_tokens > 0 or took.completion_tokens > visible)


@dataclass(frozen=True)
class ServerTraits:
    """What a client has learnt of its server."""

    mode: Mode | None
    """The mode of structured output that works; None while no answer was fit, unless the config names one."""
    explained: bool
    """Whether answers fit only since the instructions contain the schema."""
    limit: str
    """Name of the limit of completion tokens."""
    temperature: bool
    """Whether it takes a temperature."""


class ModelClient:
    """Sends calls to one model at one endpoint."""

    def __init__(
        self, spec: EndpointSpec, common: TeacherSpec, credentials: Credentials, run_id: str, network: Network
    ) -> None:
        self.address = _without_login(spec.base_url)
        self.name = f"{spec.model} at {self.address}"
        self.breaker = CircuitBreaker(self.name, common.breaker_failures, common.breaker_seconds)
        self.throttle = AdaptiveConcurrency(spec.max_concurrency, self.breaker)
        self._mode: Mode | None = None if spec.structured_output == "auto" else spec.structured_output
        self.explain = False
        self.dialect = Dialect.expected(spec.base_url)
        self._bounds: dict[str, int] = {}
        self._credentials = credentials
        # a client of our own: the library's default one is shared between event loops and never closed
        self._http = DefaultAsyncHttpxClient(
            transport=CheckedTransport(spec.base_url, network, credentials),
            trust_env=False,
            timeout=None,
            event_hooks={"response": [refuse_moved]},
        )
        self._chat = ChatOpenAI(
            model=spec.model,
            base_url=_without_query(spec.base_url),
            # Azure's api-version, for one
            default_query=dict(parse_qsl(urlsplit(spec.base_url).query)) or None,
            api_key=SecretStr(credentials.key or "none"),
            max_retries=0,
            use_responses_api=False,
            # otherwise a graph that streams its messages makes the calls streams, which carry no usage
            disable_streaming=True,
            default_headers={"X-Run-Id": run_id},
            http_async_client=self._http,
        )

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes of structured output to try, in order. Only one, once it is known which works."""
        return MODES if self._mode is None else (self._mode,)

    @property
    def traits(self) -> ServerTraits:
        """What is known by now."""
        return ServerTraits(self._mode, self.explain, self.dialect.limits[0], self.dialect.temperature)

    async def models(self, timeout_seconds: float) -> dict[str, dict[str, Any]] | None:
        """What the server says of its models, by name; empty if it says nothing, None if there is no such API here."""
        try:
            async with asyncio.timeout(timeout_seconds):
                listed = await self._chat.root_async_client.models.list()
            return {str(model.id): model.model_dump() for model in listed.data}
        except (AuthenticationError, PermissionDeniedError):
            return {}
        except (OpenAIError, TimeoutError, RefusedAddressError, *MALFORMED):
            return None

    def works(self, mode: Mode, explained: bool) -> None:
        """Remembers a mode that gave an answer that fits, and whether the instructions contained the schema."""
        self._mode = mode
        self.explain = self.explain or explained

    def learn_dialect(self, sent: Dialect, failure: CallFailure) -> None:
        """Learn from the refusal of a request in a dialect, unless another call has learnt since."""
        if failure.kind == "unsupported" and sent == self.dialect:
            self.dialect = sent.without(failure.reason)

    def bound(self, schema: str, asked: int) -> int:
        """Completion tokens to ask for: `asked`, or what answers in this schema have needed before."""
        return max(asked, self._bounds.get(schema, 0))

    def widen(self, schema: str, bound: int, ceiling: int) -> None:
        """After a truncated answer: from now on twice `bound`, and at most `ceiling`."""
        self._bounds[schema] = max(self._bounds.get(schema, 0), min(2 * bound, ceiling))

    async def post(self, arguments: dict[str, Any], timeout_seconds: float) -> Reply | CallFailure:
        """One request. Its outcome goes to the throttle and the breaker."""
        sent_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout_seconds):
                message = await self._chat.ainvoke(**arguments)
            reply = read_reply(message)
            outcome: Reply | CallFailure = replace(
                reply, text=self.redact(reply.text), declined=self.redact(reply.declined)
            )
        except (OpenAIError, TimeoutError, RefusedAddressError, *MALFORMED) as error:
            failure = classify(error)
            # redact before truncating, so that no half of a key stays
            outcome = replace(failure, reason=truncate(self.redact(failure.reason)))
        self._learn(outcome, sent_at)
        return outcome

    def redact(self, text: str) -> str:
        """`text` without the key and the headers' values, because some servers repeat them."""
        return self._credentials.redact(text)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _learn(self, outcome: Reply | CallFailure, sent_at: float) -> None:
        if isinstance(outcome, Reply):
            self.throttle.succeeded()
        elif outcome.kind == "busy":
            self.throttle.limited(sent_at, outcome.retry_after)
        if isinstance(outcome, CallFailure) and outcome.kind == "down":
            self.breaker.failed(outcome.reason)
        else:
            self.breaker.succeeded()


def read_reply(message: AIMessage) -> Reply:
    """The text of an answer, from its content or from its tool call."""
    refusal = message.additional_kwargs.get("refusal")
    if message.tool_calls:
        text = json.dumps(message.tool_calls[0]["args"], ensure_ascii=False)
    elif message.invalid_tool_calls:
        text = message.invalid_tool_calls[0]["args"] or ""
    else:
        text = str(message.text)
    finish = message.response_metadata.get("finish_reason")
    filtered = "its content filter stopped the answer" if finish == "content_filter" else ""
    return Reply(
        text=text,
        truncated=finish == "length",
        declined=filtered or ("" if text else str(refusal or "")),
        usage=read_usage(message),
        model=str(message.response_metadata.get("model_name") or ""),
        service_tier=str(message.response_metadata.get("service_tier") or ""),
    )


MOST_TOKENS = 10**12
"""Of one answer, with much to spare; a larger number is none that a server has counted."""


def read_usage(message: AIMessage) -> Usage | None:
    """The tokens of an answer; None if the server does not report them, or not for real.

    Some servers count thoughts in the total alone (xAI, Gemini), though they cost as much as the rest of the completion.
    """
    usage = message.usage_metadata
    if not usage or usage["input_tokens"] <= 0 or usage["output_tokens"] < 0:
        return None
    if max(usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) > MOST_TOKENS:
        return None
    prompt, completion = usage["input_tokens"], usage["output_tokens"]
    into: Any = usage.get("input_token_details", {})
    out: Any = usage.get("output_token_details", {})
    hidden = max(0, usage["total_tokens"] - prompt - completion)
    completion += hidden
    cached = _share(into, "cache_read", prompt)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=_share(into, "cache_creation", prompt - cached),
        reasoning_tokens=max(hidden, _share(out, "reasoning", completion)),
    )


def _share(details: Mapping[str, int], kind: str, whole: int) -> int:
    """Tokens of a kind, at most the whole. A service tier stands before its name (`flex_cache_read`)."""
    counts = [count for name, count in details.items() if name == kind or name.endswith(f"_{kind}")]
    return min(max(0, sum(counts)), whole)


def _without_query(url: str) -> str:
    """The address to which the paths of the API are added."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/"), query=""))


def _without_login(url: str) -> str:
    """The address without user name and password, so that it may be shown."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
