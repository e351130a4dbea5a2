"""What can go wrong with one teacher call, sorted by what to do about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

import openai

from graphs.errors import EndpointDown, TeacherError

Kind = Literal["busy", "down", "unfit", "truncated", "unsupported", "refused", "quota"]
"""`busy` rate limited; `down` no connection, time-out, 5xx, no chat completion; `unfit` an answer that cannot be used; `truncated` cut at the token
limit; `unsupported` the server may not know this kind of request; `refused` for good; `quota` nothing left for a long time."""

LONGEST_PAUSE = 300.0
"""Seconds of Retry-After that are waited for; a longer one pauses the run instead."""

MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, openai.APIResponseValidationError)
"""What the client raises on a body that is no chat completion."""

_NOT_SENT = ("ConnectError", "ConnectTimeout", "UnsupportedProtocol", "InvalidURL")


@dataclass(frozen=True)
class CallFailure:
    """One attempt without a usable answer."""

    kind: Kind
    reason: str
    retry_after: float | None = None
    """Seconds that the server asks us to wait."""
    billed: bool = False
    """It may have been paid for, though the server reported no usage."""
    status: int | None = None
    """The HTTP status, where there was one."""


def classify(error: Exception) -> CallFailure:
    """The fault behind an exception of the chat client, with its whole reason; unknown exceptions are raised again."""
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return CallFailure("down", "the call timed out", billed=True)
    if isinstance(error, openai.APIStatusError):
        return _by_status(error)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        sent = type(cause).__name__ not in _NOT_SENT
        return CallFailure("down", f"no connection ({str(cause) or type(cause).__name__})", billed=sent)
    if isinstance(error, MALFORMED):
        return CallFailure("down", f"the reply is no chat completion ({error})", billed=True)
    raise error


def _by_status(error: openai.APIStatusError) -> CallFailure:
    status, reason = error.status_code, f"HTTP {error.status_code}: {error.message}"
    wait = retry_after(error.response.headers.get("retry-after"))
    if status == 429:
        spent = error.code == "insufficient_quota" or (wait or 0.0) > LONGEST_PAUSE
        return CallFailure("quota" if spent else "busy", reason, wait, status=status)
    if status == 503 and wait is not None and wait <= LONGEST_PAUSE:
        return CallFailure("busy", reason, wait, status=status)
    if status in (408, 409) or status >= 500:
        return CallFailure("down", reason, status=status)
    if status in (400, 422) or (status == 404 and not _no_model(error)):
        return CallFailure("unsupported", reason, status=status)
    return CallFailure("refused", reason, status=status)


def _no_model(error: openai.APIStatusError) -> bool:
    message = error.message.lower()
    return error.code == "model_not_found" or (
        "model" in message and ("not found" in message or "not exist" in message)
    )


def retry_after(value: str | None) -> float | None:
    """Seconds in a Retry-After header, which is a number or an HTTP date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def truncate(text: str) -> str:
    """The reason on one line, cut at 300 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:300]}..."


GO_ON = "start the run again with the same output folder: it goes on from here, and no recorded answer is paid for twice."


def down_message(name: str, reason: str) -> str:
    """What to tell the user when an endpoint cannot be used for now."""
    return (
        f"The teacher {name} does not answer: {reason}. Check that the server runs and that `teacher.base_url` is "
        f"right, then {GO_ON}"
    )


def failure(
    fault: CallFailure, tries: int, name: str, key_env: str | None, schema: str
) -> TeacherError | EndpointDown:
    """The exception for a call that is given up, in one paragraph that says what to do.

    Args:
        fault: the last one.
        tries: attempts made.
        name: model and endpoint, as they may be shown.
        key_env: environment variable of the key.
        schema: what was asked for.
    """
    if fault.kind in ("busy", "down"):
        return EndpointDown(down_message(name, f"{tries} attempts failed, the last: {fault.reason}"))
    if fault.kind == "quota":
        return EndpointDown(
            f"The teacher {name} takes no more calls for now ({fault.reason}). When it does, {GO_ON}"
        )
    if fault.status in (401, 403):
        where = (
            f"the environment variable {key_env}"
            if key_env
            else "`api_key_env` in the teacher's configuration"
        )
        return TeacherError(f"The teacher {name} refuses the key: {fault.reason}. Check {where}.")
    if fault.kind == "truncated":
        advice = "Raise `teacher.max_tokens` or lower `loop.samples_per_batch`."
        return TeacherError(f"The teacher {name} cut {tries} answers for {schema}: {fault.reason}. {advice}")
    if fault.kind == "unfit":
        advice = "Choose a model that can answer in JSON, or set `teacher.structured_output`."
        return TeacherError(
            f"The teacher {name} gave no answer that fits {schema}, {tries} times: {fault.reason}. {advice}"
        )
    advice = (
        "Check `teacher.model`, and `teacher.base_url`, which usually ends in /v1."
        if fault.status == 404
        else ""
    )
    return TeacherError(f"The teacher {name} refuses the request: {fault.reason}. {advice}".rstrip())
