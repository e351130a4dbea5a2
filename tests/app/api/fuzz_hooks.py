"""A hook of schemathesis; see `tests/app/api/fuzz.toml`."""

from __future__ import annotations

import uuid
from typing import Any

import schemathesis

HEADER = "Idempotency-Key"


def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Make each key one of its own: the reply to a key that was used before is an old one, whatever was deleted since.

    Cases that are wrong on purpose stay as they are, for one whose headers change counts as a sound one.
    """
    if (case.headers or {}).get(HEADER) and case.meta and not case.meta.generation.mode.is_negative:
        case.headers[HEADER] = uuid.uuid4().hex


schemathesis.hook(before_call)
