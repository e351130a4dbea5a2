"""Requests and answers as OpenAI's API has them, as far as a student can do what they ask for."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.serving import openapi_examples as examples
from app.api.serving.reply_formats import ReplyFormat
from app.api.texts import Text

SEED = 2**63 - 1
ModelName = Annotated[
    str,
    Field(
        max_length=100, description="`RUN` (the best student), `RUN:baseline`, `RUN:round-2` or `RUN:base`."
    ),
]


StopText = Annotated[Text, Field(min_length=1, max_length=1000)]


class TextPart(BaseModel):
    """A part of a message. Students read text only."""

    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """One turn of a chat."""

    role: Literal["developer", "system", "user", "assistant"]
    content: Text | list[TextPart]

    def turn(self) -> dict[str, str]:
        """The turn as chat templates know it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(BaseModel):
    """What a stream says besides the reply."""

    include_usage: bool = False
    include_obfuscation: bool = Field(False, description="Accepted, and without effect.")


class AnswerRequest(BaseModel):
    """What both kinds of requests share. Parameters that a student cannot follow are refused."""

    model_config = ConfigDict(extra="forbid")

    model: ModelName
    max_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="Longest reply, in tokens; by default the run's own limit."
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="By default 0, the likeliest token, as the run has measured the student.",
    )
    top_p: float | None = Field(None, gt=0, le=1)
    stop: StopText | Annotated[list[StopText], Field(max_length=4)] | None = None
    seed: int | None = Field(None, ge=-SEED, le=SEED)
    n: Literal[1] | None = Field(None, description="Replies; one.")
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, description="Accepted, and without effect.")

    @model_validator(mode="before")
    @classmethod
    def _nothing_asked(cls, sent: Any) -> Any:
        """Drops parameters that are null: code that hands `tools=None` on asks for none."""
        if not isinstance(sent, dict):
            return sent
        return {name: value for name, value in sent.items() if value is not None or name in cls.model_fields}

    def sampling(self) -> dict[str, Any]:
        """The fields of a question that say how a reply is made."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop
        return {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature or 0.0,
            "top_p": self.top_p or 1.0,
            "seed": self.seed,
            "stop": stops or [],
        }


class ChatRequest(AnswerRequest):
    """A chat to go on with. The last turn is the user's: it is what the prompt of a row is."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CHAT_REQUEST]})

    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    max_completion_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="As `max_tokens`, which is the older name."
    )
    logprobs: bool | None = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: ReplyFormat | None = None
    store: Literal[False] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.messages[-1].role != "user":
            raise ValueError("the last of `messages` must be the user's")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("`top_logprobs` needs `logprobs`")
        return self

    def sampling(self) -> dict[str, Any]:
        limit = self.max_completion_tokens or self.max_tokens
        logprobs = (self.top_logprobs or 0) if self.logprobs else None
        schema = self.response_format.schema_of_reply if self.response_format else None
        return super().sampling() | {
            "max_tokens": limit,
            "top_logprobs": logprobs,
            "json_schema": schema,
        }


class CompletionRequest(AnswerRequest):
    """A text to go on with, as it is: neither the task nor a chat template adds anything to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COMPLETION_REQUEST]})

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=1)]
    logprobs: int | None = Field(None, ge=0, le=5)
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    suffix: Literal[""] | None = None

    @property
    def text(self) -> str:
        """The one prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]

    def sampling(self) -> dict[str, Any]:
        return super().sampling() | {"top_logprobs": self.logprobs}


class ModelCard(BaseModel):
    """One student."""

    model_config = ConfigDict(json_schema_extra={"example": examples.MODEL})

    id: ModelName
    object: Literal["model"] = "model"
    created: int = Field(description="When the run was made.")
    owned_by: str = "pada"


class ModelList(BaseModel):
    """The students of your runs, the newest runs first."""

    model_config = ConfigDict(json_schema_extra={"example": examples.MODELS})

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Usage(BaseModel):
    """Tokens of a request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class TopLogprob(BaseModel):
    """A token with its log-probability (nats), before temperature and top-p."""

    token: str
    logprob: float
    bytes: list[int] | None = Field(description="UTF-8; null where the token is a part of a character.")


class ContentLogprob(TopLogprob):
    """A token of the reply, with what else was likely."""

    top_logprobs: list[TopLogprob]


class ChatLogprobs(BaseModel):
    """The tokens of a reply."""

    content: list[ContentLogprob]


class CompletionLogprobs(BaseModel):
    """The tokens of a completion, in parallel lists."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class ReplyMessage(BaseModel):
    """The reply."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChatChoice(BaseModel):
    """The one reply to a chat."""

    index: Literal[0] = 0
    message: ReplyMessage
    logprobs: ChatLogprobs | None = None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(BaseModel):
    """The answer to a chat; as a stream, server-sent events with its parts (`chat.completion.chunk`)."""

    model_config = ConfigDict(json_schema_extra={"example": examples.CHAT})

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: ModelName
    choices: list[ChatChoice]
    usage: Usage


class CompletionChoice(BaseModel):
    """The one way that a text goes on."""

    index: Literal[0] = 0
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: Literal["stop", "length"]


class Completion(BaseModel):
    """How a text goes on; as a stream, server-sent events with its parts."""

    model_config = ConfigDict(json_schema_extra={"example": examples.COMPLETION})

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: ModelName
    choices: list[CompletionChoice]
    usage: Usage
