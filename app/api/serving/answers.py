"""An answer of a student as OpenAI's API sends it, whole or as server-sent events."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.openai_errors import error_answer
from app.api.serving.queue import StudentQueue, while_connected
from app.api.serving.schemas import (
    AnswerRequest,
    ChatChoice,
    ChatCompletion,
    ChatLogprobs,
    ChatRequest,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    ContentLogprob,
    ReplyMessage,
    TopLogprob,
    Usage,
)
from app.errors import PadaError
from trainer.reply_text import UNFINISHED
from trainer.serving import AnswerEnd, AnswerLine, ChosenToken, Question, TokenLogprob

Lines = AsyncGenerator[AnswerLine, None]


@dataclass
class Whole:
    """An answer that is complete."""

    end: AnswerEnd
    text: str
    tokens: list[ChosenToken]


@dataclass(frozen=True)
class Form:
    """The form of a chat completion or, where `chat` is false, of a completion."""

    body: AnswerRequest
    created: int = field(default_factory=lambda: int(time.time()))
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def chat(self) -> bool:
        return isinstance(self.body, ChatRequest)

    def whole(self, answer: Whole) -> ChatCompletion | Completion:
        """The answer as one object."""
        reason, usage = answer.end.finish_reason, usage_of(answer.end)
        head: dict[str, Any] = {"created": self.created, "model": self.body.model, "usage": usage}
        if self.chat:
            chat_choice = ChatChoice(
                message=ReplyMessage(content=answer.text),
                logprobs=chat_logprobs(answer.tokens)
                if self.body.sampling()["top_logprobs"] is not None
                else None,
                finish_reason=reason,
            )
            return ChatCompletion(id=f"chatcmpl-{self.key}", choices=[chat_choice], **head)
        choice = CompletionChoice(
            text=answer.text,
            logprobs=completion_logprobs(answer.tokens, 0)
            if self.body.sampling()["top_logprobs"] is not None
            else None,
            finish_reason=reason,
        )
        return Completion(id=f"cmpl-{self.key}", choices=[choice], **head)

    def first(self) -> Iterator[dict[str, Any]]:
        """What a stream begins with."""
        if self.chat:
            yield self._part(delta={"role": "assistant", "content": ""})

    def piece(self, line: AnswerLine, start: int) -> Iterator[dict[str, Any]]:
        """A piece of the reply; `start` is the number of characters before it."""
        asked = self.body.sampling()["top_logprobs"] is not None
        if self.chat:
            logprobs = chat_logprobs(line.tokens).model_dump() if asked else None
            yield self._part(delta={"content": line.text}, logprobs=logprobs)
        else:
            parts = completion_logprobs(line.tokens, start).model_dump() if asked else None
            yield self._part(text=line.text, logprobs=parts)

    def last(self, end: AnswerEnd) -> Iterator[dict[str, Any]]:
        """What a stream ends with."""
        rest: dict[str, Any] = {"delta": {}} if self.chat else {"text": ""}
        yield self._part(**rest, finish_reason=end.finish_reason)
        if self.body.stream_options and self.body.stream_options.include_usage:
            yield self._chunk([]) | {"usage": usage_of(end).model_dump()}

    def _part(self, **choice: Any) -> dict[str, Any]:
        return self._chunk([{"index": 0, "logprobs": None, "finish_reason": None, **choice}])

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        name, kind = ("chatcmpl", "chat.completion.chunk") if self.chat else ("cmpl", "text_completion")
        return {
            "id": f"{name}-{self.key}",
            "object": kind,
            "created": self.created,
            "model": self.body.model,
            "choices": choices,
        }


async def respond(request: Request, body: AnswerRequest, question: Question) -> Response:
    """The answer to a question, in the form that the body asks for."""
    queue: StudentQueue = request.app.state.students
    form, lines = Form(body), queue.ask(question)
    if not body.stream:
        answer = await while_connected(request, collect(lines))
        return JSONResponse(form.whole(answer).model_dump(mode="json"))
    # the status of a stream is sent with its first piece, so what can be refused is refused before
    first = await while_connected(request, anext(lines))
    return AnswerStream(stream(form, first, lines), lines)


class AnswerStream(StreamingResponse):
    """Server-sent events of an answer, which is cancelled when the client leaves.

    Args:
        lines: where the events come from.
    """

    def __init__(self, events: AsyncIterator[str], lines: Lines, headers: Mapping[str, str] | None = None):
        all_headers = {"X-Accel-Buffering": "no", **(headers or {})}
        super().__init__(events, media_type="text/event-stream", headers=all_headers)
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._lines.aclose()


async def collect(lines: Lines) -> Whole:
    """The whole answer."""
    text, tokens = "", []
    async with aclosing(lines):
        async for line in lines:
            text += line.text
            tokens += line.tokens
            if line.end:
                return Whole(line.end, text, tokens)
    raise RuntimeError("The answer has no end.")


async def stream(form: Form, first: AnswerLine, lines: Lines) -> AsyncIterator[str]:
    """Server-sent events."""
    sent = 0
    for part in form.first():
        yield event(part)
    try:
        async for line in chained(first, lines):
            if line.text or line.tokens:
                for part in form.piece(line, sent):
                    yield event(part)
                sent += len(line.text)
            if line.end:
                for part in form.last(line.end):
                    yield event(part)
                yield "data: [DONE]\n\n"
    except PadaError as error:  # the status is sent already
        yield f"data: {bytes(error_answer(error.status, str(error)).body).decode()}\n\n"


async def chained(first: AnswerLine, rest: Lines) -> AsyncIterator[AnswerLine]:
    """A generator whose first item was taken already."""
    yield first
    async for line in rest:
        yield line


def event(document: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"


def usage_of(end: AnswerEnd) -> Usage:
    total = end.prompt_tokens + end.completion_tokens
    return Usage(prompt_tokens=end.prompt_tokens, completion_tokens=end.completion_tokens, total_tokens=total)


def chat_logprobs(tokens: Sequence[ChosenToken]) -> ChatLogprobs:
    """Tokens as chats have them."""
    return ChatLogprobs(
        content=[
            ContentLogprob(
                **top_logprob(token).model_dump(), top_logprobs=[top_logprob(each) for each in token.top]
            )
            for token in tokens
        ]
    )


def top_logprob(token: TokenLogprob) -> TopLogprob:
    # a part of a character has no text of its own
    data = None if UNFINISHED in token.token else list(token.token.encode())
    return TopLogprob(token=token.token, logprob=token.logprob, bytes=data)


def completion_logprobs(tokens: Sequence[ChosenToken], start: int) -> CompletionLogprobs:
    """Tokens as completions have them; `start` is the number of characters before them."""
    offsets = []
    for token in tokens:
        offsets.append(start)
        start += len(token.token)
    return CompletionLogprobs(
        tokens=[token.token for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[{each.token: each.logprob for each in token.top} for token in tokens],
        text_offset=offsets,
    )
