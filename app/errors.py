"""Errors of the application, one tree; each is one paragraph for the person who reads it.

Over HTTP an error is a problem document with the status that its class carries (`app/api/problems.py`).

PadaError                400
├── ConfigError          422  the configuration
├── FolderError          409  the run's folder: in use, of another run, or not a run
├── Unauthorized         401  no API key, or one that is unknown or revoked
├── Forbidden            403  the key may not do this
├── NotFound             404  it does not exist, or belongs to another key
├── Conflict             409  not possible in the present state
├── TooLarge             413  a body, a file, or too many rows
├── Unprocessable        422  a request that cannot be understood
├── TooManyRequests      429  wait, then send the request again
├── Unavailable          503  the service cannot work at the moment
└── NoRoom               507  its disk is full or read-only, or too many files are open
"""

# ruff: noqa: N818 - HTTP has names for these, without an Error at the end
from __future__ import annotations

import math
from typing import ClassVar


class PadaError(Exception):
    """An error that the user can fix; the message says how."""

    status: ClassVar[int] = 400

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the HTTP answer."""
        return {}


class ConfigError(PadaError):
    """A config file that cannot be used."""

    status = 422


class FolderError(PadaError):
    """A run folder that cannot be used."""

    status = 409


class Unauthorized(PadaError):
    """A request without a valid key."""

    status = 401

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="pada"'}


class Forbidden(PadaError):
    """A request that its key may not make."""

    status = 403


class NotFound(PadaError):
    """It does not exist, or belongs to another key."""

    status = 404


class Conflict(PadaError):
    """A request that does not fit the present state."""

    status = 409


class TooLarge(PadaError):
    """More than the settings allow."""

    status = 413


class Unprocessable(PadaError):
    """A request that cannot be understood."""

    status = 422


class TooManyRequests(PadaError):
    """More requests, or more unfinished runs, than a key may have."""

    status = 429

    def __init__(self, message: str, retry_after: float):
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(max(1, math.ceil(self.retry_after)))}


class Unavailable(PadaError):
    """The service lacks something that it needs."""

    status = 503

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds; None where waiting alone does not help."""

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(max(1, math.ceil(self.retry_after)))}


class NoRoom(PadaError):
    """The service's machine cannot write or open a file."""

    status = 507
