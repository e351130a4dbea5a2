"""What can go wrong in a teacher call, by what to do about it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

import openai

from graphs.errors import EndpointDown, TeacherError, UnansweredError
from graphs.teacher.connections import connection_fault, refusal_in

Kind = Literal["busy", "down", "unfit", "truncated", "unsupported", "declined", "refused", "quota"]
"""- `busy`: rate limited.
- `down`: no connection, time-out, 5xx, or no chat completion.
- `unfit`: the answer does not fit its schema.
- `truncated`: the answer was cut at the token limit.
- `unsupported`: the server may not know this mode of structured output.
- `declined`: the model or a content filter does not want to answer.
- `refused`: the same request would be refused again.
- `quota`: the account is used up, or the server asks for a long pause.
"""

LONGEST_PAUSE = 300.0
"""Longest Retry-After in seconds that is waited for. A longer one pauses the run."""

MALFORMED = (
    ValueError,
    RecursionError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    openai.APIResponseValidationError,
)
"""What the chat client raises for a body that is no chat completion."""


@dataclass(frozen=True)
class CallFailure:
    """One attempt without a usable answer."""

    kind: Kind
    reason: str
    retry_after: float | None = None
    """Seconds that the server asks to wait."""
    billed: bool = False
    """The request may have been billed, although the server reported no usage."""
    status: int | None = None
    """The HTTP status, if there was one."""


def classify(error: Exception) -> CallFailure:
    """The failure that an exception of the chat client stands for. Unknown exceptions are raised again."""
    if refusal := refusal_in(error):
        return CallFailure("refused", str(refusal), status=getattr(refusal, "status", None))
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return CallFailure("down", "the call timed out", billed=True)
    if isinstance(error, openai.APIStatusError):
        return _by_status(error)
    if isinstance(error, openai.APIConnectionError):
        reason, sent = connection_fault(error, error.request.url)
        return CallFailure("down", reason, billed=sent)
    if isinstance(error, MALFORMED):
        return CallFailure("down", f"the reply is no chat completion ({error})", billed=True)
    raise error


def _by_status(error: openai.APIStatusError) -> CallFailure:
    status, reason = error.status_code, f"HTTP {error.status_code}: {error.message}"
    wait = asked_to_wait(error.response.headers)
    if status == 429:
        spent = error.code == "insufficient_quota" or (wait or 0.0) > LONGEST_PAUSE
        return CallFailure("quota" if spent else "busy", reason, wait, status=status)
    if status == 402:
        return CallFailure("quota", reason, wait, status=status)
    if status == 503 and wait is not None and wait <= LONGEST_PAUSE:
        return CallFailure("busy", reason, wait, status=status)
    if 300 <= status < 400:  # the client follows those that lead somewhere
        reason = f"HTTP {status}: it redirects, and does not say where to"
        return CallFailure("refused", reason, wait, status=status)
    if status in (408, 409) or status >= 500:
        return CallFailure("down", reason, status=status)
    if status in (400, 413, 422) or (status == 404 and not _no_model(error)):
        return CallFailure("unsupported", reason, status=status)
    return CallFailure("refused", reason, status=status)


def _no_model(error: openai.APIStatusError) -> bool:
    message = error.message.lower()
    return error.code == "model_not_found" or (
        "model" in message and ("not found" in message or "not exist" in message)
    )


def asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait; `retry-after-ms` is OpenAI's and Azure's, and the finer one."""
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.replace(".", "", 1).isdigit():
        return float(milliseconds) / 1000
    return retry_after(headers.get("retry-after"), headers.get("date"))


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds in a Retry-After header, which is a number or an HTTP date (RFC 9110, 10.2.3).

    Args:
        date: the header Date of the same answer: the server's clock, which need not agree with this machine's.
    """
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def truncate(text: str) -> str:
    """The text on one line, cut at 300 characters. A server's words must not control the terminal that shows them."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


GO_ON = (
    "start the run again with the same output folder: it goes on from here, and no recorded answer is paid for "
    "twice."
)


def down_message(name: str, reason: str) -> str:
    """The message for the user when an endpoint does not answer."""
    return (
        f"The teacher {name} does not answer: {reason}. Check that the server runs and that `teacher.base_url` is "
        f"right, then {GO_ON}"
    )


def give_up_error(
    last: CallFailure, attempts: int, name: str, variables: Sequence[str], schema: str
) -> TeacherError | EndpointDown:
    """The exception for a call that is given up. Its message is one paragraph that says what to do.

    Args:
        last: the failure of the last attempt.
        attempts: number of attempts made.
        name: model and endpoint, as they may be shown.
        variables: environment variables of the key and of headers.
        schema: name of the schema to answer in.
    """
    if last.kind in ("busy", "down"):
        return EndpointDown(down_message(name, f"{attempts} attempts failed, the last: {last.reason}"))
    if last.kind == "quota":
        return EndpointDown(
            f"The teacher {name} takes no more calls for now ({last.reason}). When it does, {GO_ON}"
        )
    if last.status in (401, 403):
        unset = "`api_key_env` and `headers_env` in the teacher's configuration"
        source = f"the environment variable {' and '.join(variables)}" if variables else unset
        return TeacherError(f"The teacher {name} refuses the key: {last.reason}. Check {source}.")
    if last.kind == "truncated":
        advice = "Raise `teacher.max_tokens` or lower `loop.samples_per_batch`."
        return UnansweredError(
            f"The teacher {name} cut {attempts} answers for {schema}: {last.reason}. {advice}"
        )
    if last.kind == "unfit":
        advice = "Choose a model that can answer in JSON, or set `teacher.structured_output`."
        return UnansweredError(
            f"The teacher {name} gave no answer that fits {schema}, {attempts} times: {last.reason}. {advice}"
        )
    if last.kind == "declined":
        return UnansweredError(f"The teacher {name} declines to answer in {schema}: {last.reason}.")
    if last.kind == "unsupported" and last.status != 404:
        return UnansweredError(f"The teacher {name} refuses the request: {last.reason}.")
    if last.status is None:
        return TeacherError(f"The teacher {name} is not asked: {last.reason}")
    advice = (
        "Check `teacher.model`, and `teacher.base_url`, which usually ends in /v1."
        if last.status == 404 or last.status < 400
        else ""
    )
    return TeacherError(f"The teacher {name} refuses the request: {last.reason}. {advice}".rstrip())
